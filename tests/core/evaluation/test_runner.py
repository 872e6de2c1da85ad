import json
from pathlib import Path

import pytest

from core.errors import UnknownName
from core.evaluation import Outcome, Published, Suite, proportion
from core.evaluation.runner import choose_suites, format_entry, format_report, hash_data, load_suites, run_suite


def suite(path: Path) -> Suite:
    def run(limit, progress):
        progress(1, 1)
        return Outcome(n=limit or 10, metrics={"accuracy": proportion(8, 10)}, notes=("own data",))

    return Suite("toy", "Toy", run, files=(path,), published=(Published("accuracy", 0.75, "somebody (2020)"),))


def test_a_report_entry_is_plain_json_with_everything_a_reader_needs(tmp_path: Path):
    (tmp_path / "cases.yaml").write_text("a: 1")
    entry = run_suite(suite(tmp_path / "cases.yaml"), limit=None, progress=lambda done, total: None)
    parsed = json.loads(format_report([entry]))[0]
    assert {"suite", "n", "metrics", "interval", "published", "seconds", "data_sha256", "versions"} <= set(parsed)
    assert parsed["metrics"]["accuracy"] == 0.8
    assert parsed["interval"]["accuracy"][0] < 0.8 < parsed["interval"]["accuracy"][1]
    text = format_entry(entry)
    assert "80.0%" in text and "75.0% somebody (2020)" in text and "own data" in text


def test_the_data_hash_follows_the_content(tmp_path: Path):
    path = tmp_path / "cases.yaml"
    path.write_text("a: 1")
    before = hash_data(suite(path))
    path.write_text("a: 2")
    assert hash_data(suite(path)) != before


def test_unknown_suites_are_refused_before_anything_runs():
    with pytest.raises(UnknownName, match="Did you mean 'banking77'"):
        choose_suites(["negex", "bankin77"])


def test_the_promised_suites_are_installed():
    promised = {"banking77", "kb-hit", "xbrl", "phenopackets", "negex", "customer-service", "finance-risk", "medical"}
    assert promised <= set(load_suites())
