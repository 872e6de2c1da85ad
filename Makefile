# The commands of the project. `make demo` and `make test` are all a newcomer needs.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TORCH := torch==2.13.0

.PHONY: demo install test check models lock clean

demo: install models  ## Run the main job of all three products on sample input; SERVE=1 opens the pages
	@$(BIN)/trivium demo $(if $(SERVE),--serve)

install: $(INSTALLED)  ## Create the virtual environment with the locked dependencies

# The CPU build of torch is taken where an index offers one; elsewhere the platform's usual build.
$(INSTALLED): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: Python 3.11, 3.12 or 3.13 is needed and was not found. Install one, or name it: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info < (3, 14)))' \
		|| { echo "error: $(PYTHON) is not Python 3.11, 3.12 or 3.13. Name one: make PYTHON=/path/to/python"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked dependencies into $(VENV) (once; about 1 GB) …"
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check '$(TORCH)+cpu' 2>/dev/null \
		|| $(BIN)/python -m pip install --disable-pip-version-check '$(TORCH)'
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $(INSTALLED)

models: install  ## Fetch the default models that are not in the cache yet
	@$(BIN)/trivium models pull --defaults

test: install  ## Run the whole test suite; TRIVIUM_DATA_DIR adds the tests on public data
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: install  ## Lint, formatting, types, import floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: install  ## Rewrite requirements.lock from pyproject.toml
	$(BIN)/python -m pip install --disable-pip-version-check --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra dev --output-file requirements.lock pyproject.toml

clean:  ## Remove the virtual environment and what tests left
	rm -rf $(VENV) tests/e2e/output .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
