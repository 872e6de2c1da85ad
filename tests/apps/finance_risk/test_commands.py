"""`trivium risk`: formats, languages, errors."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from apps.finance_risk import product as product_module
from core.inference import Completion

SAMPLES = Path(product_module.__file__).parent / "samples"
TEN_K, EIGHT_K, CHINESE = (
    SAMPLES / name for name in ("harrow-vale-10-k.html", "harrow-vale-8-k.html", "chenghe-2024-annual-report.html")
)

ANNOUNCEMENT = SAMPLES / "chenghe-pledge-announcement.html"


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


class Answering:
    """Repeats a template it is asked to word, and fills a role or two."""

    name = "answering"

    def generate(self, prompts, sampling, progress=None):
        return [Completion(self.answer(prompt[0]["content"]), "stop") for prompt in prompts for _ in range(sampling.n)]

    def answer(self, asked: str) -> str:
        if "字段：" in asked:
            roles = re.findall(r"(\w+) \(", asked.split("字段：")[1].split("\n")[0])
            values = {"pledgor": "沈越", "pledgee": "不存在的银行"}
            return json.dumps({role: values.get(role, "") for role in roles}, ensure_ascii=False)
        return asked.split("\n\n", 1)[1]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.inference.load_generator", lambda name=None: Answering())


def test_a_summary_and_roles_are_added_only_on_demand(run_cli, answering):
    plain = run_cli("risk", ANNOUNCEMENT)[1]
    assert "文字摘要" not in plain and "answering" not in plain
    code, out, _ = run_cli("risk", ANNOUNCEMENT, "--fill-roles", "--phrase")
    assert code == 0 and "文字摘要" in out and "沈越" in out and "角色未经核对" in out and "不存在的银行" not in out
    code, out, _ = run_cli("risk", ANNOUNCEMENT, "--fill-roles", "--json")
    (report,) = json.loads(out)
    terms = [term for matter in report["matters"]["found"] for term in matter["terms"]]
    assert {term["read_by"] for term in terms} == {"rule", "model"} and report["matters"]["values_dropped"] >= 1


def test_without_a_matter_no_model_is_asked(run_cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.inference.load_generator", lambda name=None: pytest.fail("a model was loaded"))
    assert run_cli("risk", TEN_K, "--fill-roles")[0] == 0
