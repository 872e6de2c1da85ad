"""Reports are in both languages, and every figure has its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apps.finance_risk import product as product_module
from apps.finance_risk.report import analyse, build_sheet, to_plain_data
from core.report import to_html, to_markdown, to_text

SAMPLES = Path(product_module.__file__).parent / "samples"


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("*.html")))
@pytest.mark.parametrize("language", ["en", "zh"])
def test_samples_are_reported_in_both_languages(name: str, language: str):
    report = analyse(SAMPLES / name)
    sheet = build_sheet(report, language)
    for text in (to_text(sheet), to_markdown(sheet), to_html(sheet)):
        assert "{0}" not in text and "None" not in text
    if language == "zh":
        assert "拒绝" not in to_text(sheet)


def test_json_gives_every_figure_its_cell_and_keeps_every_digit():
    report = analyse(SAMPLES / "harrow-vale-10-k.html")
    data = json.loads(json.dumps(to_plain_data(report, "en")))
    for entry, fact in zip(data["facts"], report.filing.facts, strict=True):
        assert entry["value"] == f"{fact.value:f}"
        assert entry["evidence"]["kind"] == "cell" and entry["evidence"]["row"] == fact.evidence.row + 1
    assert data["score"]["zone"] == "distress"
    assert sum(float(term["points"]) for term in data["score"]["terms"]) == pytest.approx(float(data["score"]["value"]))
