"""Reports: nothing of a document is markup, lines fit, and every figure has its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.finance_risk import product as product_module
from apps.finance_risk.report import analyse, build_sheet, to_html, to_markdown, to_plain_data, to_text
from apps.finance_risk.report.formats import display_width
from apps.finance_risk.report.sheet import Bullets, Grid, Heading, Paragraph, Sheet

SAMPLES = Path(product_module.__file__).parent / "samples"
HOSTILE = "<script>alert(1)</script> **bold** [link](http://x) | cell \x1b[31m"


def hostile_sheet() -> Sheet:
    return Sheet(
        HOSTILE, "en", (Heading(HOSTILE), Paragraph(HOSTILE), Bullets((HOSTILE,)), Grid((HOSTILE,), ((HOSTILE,),)))
    )


def test_html_escapes_everything():
    page = to_html([hostile_sheet()])
    assert "<script" not in page and page.count("&lt;script&gt;") == 7
    assert "default-src 'none'" in page


def test_markdown_escapes_what_would_format():
    text = to_markdown([hostile_sheet()])
    assert "\\<script\\>" in text and "\\[link\\]" in text and "\\*\\*bold" in text and "\\| cell" in text


def test_the_terminal_gets_no_control_characters():
    assert "\x1b" not in to_text(hostile_sheet())


@given(st.lists(st.text(alphabet="ab 中文，.", max_size=80), min_size=2, max_size=2), st.integers(30, 90))
def test_terminal_lines_fit_the_width(cells: list[str], width: int):
    sheet = Sheet("t", "zh", (Paragraph(cells[0]), Bullets((cells[1],)), Grid(("a", "b"), (tuple(cells),))))
    assert all(display_width(line) <= width for line in to_text(sheet, width=width).splitlines())


def test_wrapping_loses_no_word():
    words = [f"word{number}" for number in range(60)]
    text = to_text(Sheet("t", "en", (Paragraph(" ".join(words)),)), width=40)
    assert text.split()[2:] == words


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("*.html")))
@pytest.mark.parametrize("language", ["en", "zh"])
def test_samples_are_reported_in_both_languages(name: str, language: str):
    report = analyse(SAMPLES / name)
    sheet = build_sheet(report, language)
    for text in (to_text(sheet), to_markdown([sheet]), to_html([sheet])):
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
