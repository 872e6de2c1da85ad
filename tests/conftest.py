"""Fixtures and skips shared by all tests.

A test says what it needs by a marker (`data`, `model`, `browser`); where that is absent it is skipped by name, and the
closing summary (`-ra`) lists it with the reason.
"""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

from core.config import settings
from core.data import dataset

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Before torch is imported: on models as small as these, threads cost more than they bring.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples on every run and no time limit for one of them: a test fails for what the code does, not by luck.
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("data"):
        if not dataset(marker.args[0]).is_available():
            pytest.skip(f"public data set '{marker.args[0]}' is absent (TRIVIUM_DATA_DIR)")
    for marker in item.iter_markers("model"):
        from core.models import is_available

        if not is_available(marker.args[0]):
            pytest.skip(f"model '{marker.args[0]}' is absent (trivium models pull {marker.args[0]})")


@pytest.fixture
def fresh_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A clean slate of settings: no TRIVIUM_* variables, no trivium.toml, an empty cache. Returns a setter."""
    for name in list(os.environ):
        if name.upper().startswith("TRIVIUM_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRIVIUM_CACHE_DIR", str(tmp_path / "cache"))
    settings.cache_clear()

    def put(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"TRIVIUM_{name.upper()}", str(value))
        settings.cache_clear()

    yield put
    settings.cache_clear()


@pytest.fixture
def run_cli(capsys: pytest.CaptureFixture[str]):
    """Run `trivium …` in this process; returns `(exit_code, stdout, stderr)`."""
    from core.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse ends the process on a usage error
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
