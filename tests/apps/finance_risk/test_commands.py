"""`trivium risk`: formats, languages, errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apps.finance_risk import product as product_module

SAMPLES = Path(product_module.__file__).parent / "samples"
TEN_K, EIGHT_K, CHINESE = (
    SAMPLES / name for name in ("harrow-vale-10-k.html", "harrow-vale-8-k.html", "chenghe-2024-annual-report.html")
)


def test_a_report_on_the_terminal(run_cli):
    code, out, err = run_cli("risk", TEN_K)
    assert code == 0 and err == ""
    assert "Z'' = -0.62 at 2024-12-31: distress zone" in out and "t3 r13 c3" in out and "308,000,000" in out


def test_the_report_follows_the_filing_and_can_be_told_otherwise(run_cli):
    assert "风险报告" in run_cli("risk", CHINESE)[1]
    assert "Risk report" in run_cli("risk", CHINESE, "--lang", "en")[1]
    assert "困境区" in run_cli("risk", TEN_K, "--lang", "zh")[1]


def test_json_of_several_files(run_cli):
    code, out, _ = run_cli("risk", TEN_K, EIGHT_K, "--json")
    first, second = json.loads(out)
    assert code == 0 and first["score"]["zone"] == "distress" and second["events"][0]["item"] == "2.04"


@pytest.mark.parametrize("suffix", ["html", "md", "json"])
def test_reports_are_written(run_cli, tmp_path: Path, suffix: str):
    path = tmp_path / f"report.{suffix}"
    code, out, _ = run_cli("risk", TEN_K, "--out", path)
    assert code == 0 and str(path) in out
    assert "HARROW VALE" in path.read_text(encoding="utf-8")


def test_an_unknown_format_is_refused_before_anything_is_read(run_cli, tmp_path: Path):
    code, _, err = run_cli("risk", tmp_path / "absent.html", "--out", tmp_path / "report.docx")
    assert code == 1 and ".html" in err and "docx" in err


def test_one_bad_file_among_good_ones_leaves_no_report(run_cli, tmp_path: Path):
    bad = tmp_path / "note.txt"
    bad.write_text("Dear diary, today I bought 700 apples.")
    report = tmp_path / "report.html"
    code, _, err = run_cli("risk", TEN_K, bad, "--out", report)
    assert code == 1 and "note.txt" in err and not report.exists()
