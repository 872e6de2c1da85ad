"""What every command that takes a file does with a bad one: a clear error, exit code 1, nothing left behind."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from core.config import settings

BOMB = (
    "<!DOCTYPE r ["
    + "".join(f'<!ENTITY e{level + 1} "{f"&e{level};" * 10}">' for level in range(8))
    + '<!ENTITY e0 "boom">]><r>&e8;</r>'
)


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("inner.txt", "text")
    return buffer.getvalue()


HOSTILE = {
    "empty.txt": b"",
    "blank.txt": b" \n\t\n",
    "archive.zip": _zip(),
    "archive.txt": _zip(),
    "archive.html.gz": gzip.compress(b"<html></html>"),
    "program.txt": b"\x7fELF" + bytes(range(256)) * 8,
    "nul.html": b"<html>\x00\x00</html>",
    "latin1.txt": "résumé déjà vu café".encode("latin-1"),
    "truncated.pdf": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog",
}
COMMANDS = {"risk": ("risk",), "diagnose": ("diagnose",)}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_bad_file_is_refused_by_name_and_leaves_nothing(run_cli, tmp_path: Path, command: str, name: str):
    path = tmp_path / name
    path.write_bytes(HOSTILE[name])
    report = tmp_path / "report.json"
    code, out, err = run_cli(*COMMANDS[command], path, "--out", report)
    assert code == 1, out + err
    assert err.startswith("error: ") and name in err
    assert "Traceback" not in err + out
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_fifty_megabyte_file_is_refused_unread(run_cli, tmp_path: Path, command: str):
    path = tmp_path / "big.txt"
    with path.open("wb") as stream:
        stream.truncate(50 * 1024 * 1024)
    code, _, err = run_cli(*COMMANDS[command], path)
    assert code == 1 and "50.0 MiB" in err and f"{settings().max_upload_mb} MiB" in err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_file_and_a_folder(run_cli, tmp_path: Path, command: str):
    for path in (tmp_path / "absent.txt", tmp_path):
        code, _, err = run_cli(*COMMANDS[command], path)
        assert code == 1 and str(path) in err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("content", [BOMB, "<a>" * 50_000, "(" * 100_000, "无" * 100_000])
def test_nested_and_repetitive_text_ends_soon_and_without_a_crash(run_cli, tmp_path: Path, command: str, content: str):
    path = tmp_path / "odd.html" if content.startswith("<") else tmp_path / "odd.txt"
    path.write_text(content)
    code, out, err = run_cli(*COMMANDS[command], path)
    assert code in (0, 1), err
    assert "boomboom" not in out


@pytest.mark.parametrize("command", COMMANDS)
def test_a_report_renders_nothing_of_a_document_as_html(run_cli, tmp_path: Path, command: str):
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    path = tmp_path / "note.txt"
    path.write_text(
        f"UNITED STATES SECURITIES AND EXCHANGE COMMISSION FORM 8-K {hostile} "
        f"Item 5.02 Departure of Directors {hostile}. The patient has seizures {hostile} and ataxia."
    )
    report = tmp_path / "report.html"
    code, _, err = run_cli(*COMMANDS[command], path, "--out", report)
    if code == 0:
        markup = report.read_text(encoding="utf-8")
        assert "<script>alert" not in markup and "<img src=x" not in markup
    else:
        assert err.startswith("error: ") and not report.exists()
