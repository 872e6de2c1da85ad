import errno
import subprocess
import sys

import pytest

from core.cli import build_parser, main
from core.errors import InternalError, TriviumError
from core.products import Command


def test_the_commands_people_are_promised_are_there():
    help_text = build_parser().format_help()
    for command in ("ask", "risk", "diagnose", "app", "demo", "evaluate", "models", "data", "config"):
        assert f"\n    {command} " in help_text, command


def test_help_imports_nothing_heavy():
    heavy = {"torch", "transformers", "spacy", "faiss", "streamlit", "pandas", "sklearn", "langchain_core", "scipy"}
    code = "import sys; from core.cli import build_parser; build_parser().format_help(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not heavy & set(loaded)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (TriviumError("The thing is wrong.", hint="Mend it."), 1, "error: The thing is wrong.\n       Mend it."),
        (InternalError("Ours."), 2, "error: Ours."),
        (ZeroDivisionError("division"), 2, "bug in Trivium: ZeroDivisionError"),
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), 1, "error: /data/x: Permission denied."),
        (FileNotFoundError(errno.ENOENT, "No such file", "/data/x"), 2, "bug in Trivium: FileNotFoundError"),
        (TriviumError("From \x1b[2Ja file."), 1, "error: From �[2Ja file."),
        (KeyboardInterrupt(), 130, "Interrupted"),
    ],
)
def test_errors_become_messages_and_exit_codes(monkeypatch, run_cli, error, code, words):
    def fail(arguments):
        raise error

    monkeypatch.setattr("core.cli.core_commands", lambda: (Command("fail", "fails", lambda parser: None, fail),))
    assert run_cli("fail")[0] == code
    assert words in run_cli("fail")[2]
    if not isinstance(error, KeyboardInterrupt):
        with pytest.raises(type(error)):
            main(["--debug", "fail"])


def test_evaluate_lists_suites_and_refuses_unknown_ones(run_cli):
    code, out, _ = run_cli("evaluate", "--list")
    assert code == 0 and "banking77" in out and "negex" in out
    code, _, err = run_cli("evaluate", "bankin77")
    assert code == 1 and "Did you mean 'banking77'" in err
    assert run_cli("evaluate")[0] == 1
    assert run_cli("evaluate", "negex", "--limit", "0")[0] == 2


def test_config_says_where_a_value_comes_from(fresh_settings, run_cli):
    fresh_settings(max_upload_mb=3)
    code, out, _ = run_cli("config")
    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith("max_upload_mb"))
    assert "3" in line and "environment TRIVIUM_MAX_UPLOAD_MB" in line


def test_data_list_and_pull_of_a_set_without_an_address(fresh_settings, run_cli):
    code, out, _ = run_cli("data", "list")
    assert code == 0 and "banking77" in out
    code, _, err = run_cli("data", "pull", "phenopackets")
    assert code == 1 and "no address of its own" in err
    assert run_cli("data", "verify")[0] == 1


def test_an_unknown_product_is_refused(run_cli):
    code, _, err = run_cli("app", "medicine")
    assert code == 1 and "Did you mean 'medical'" in err


def test_nothing_that_is_printed_moves_the_cursor(monkeypatch, run_cli):
    def show(arguments):
        print("a\x1b[31mb\rc\x9bd\u202ee\tf\n中文 👩\u200d⚕️")
        sys.stdout.writelines(["\x1b]0;title\x07"])
        return 0

    monkeypatch.setattr("core.cli.core_commands", lambda: (Command("show", "shows", lambda parser: None, show),))
    assert run_cli("show")[1] == "a�[31mb�c�d�e\tf\n中文 👩\u200d⚕️\n�]0;title�"
