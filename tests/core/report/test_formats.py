"""Formats: nothing of a document is markup, lines fit the terminal, no word is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.report import (
    Bullets,
    Heading,
    Mark,
    MarkedText,
    Paragraph,
    Sheet,
    Table,
    to_html,
    to_html_body,
    to_markdown,
    to_text,
)
from core.report.plain import display_width
from core.text import Span

HOSTILE = "<script>alert(1)</script> **bold** [link](http://x) | cell \x1b[31m"


def hostile_sheet() -> Sheet:
    blocks = (
        Heading(HOSTILE),
        Heading(HOSTILE, 3),
        Paragraph(HOSTILE),
        Paragraph(HOSTILE, emphasised=True),
        Bullets((HOSTILE,), HOSTILE),
        Table((HOSTILE,), ((HOSTILE,),)),
        MarkedText(HOSTILE, (Mark(Span(0, 8), HOSTILE, "kind"),), {"kind": HOSTILE}),
    )
    return Sheet(HOSTILE, "en", blocks)


def test_html_escapes_everything():
    page = to_html(hostile_sheet())
    assert "<script" not in page and page.count("&lt;script&gt;") >= 10
    assert "default-src 'none'" in page and to_html_body(hostile_sheet()) in page


def test_markdown_escapes_what_would_format():
    text = to_markdown(hostile_sheet())
    assert "\\<script\\>" in text and "\\[link\\]" in text and "\\*\\*bold" in text and "\\| cell" in text
    assert "<script" not in text.replace("\\<script", "")


def test_the_terminal_gets_no_control_characters():
    assert "\x1b" not in to_text(hostile_sheet())


def test_levels_titles_and_warnings_are_seen_in_every_format():
    sheet = Sheet("T", "zh", (Heading("A"), Heading("B", 3), Paragraph("p", emphasised=True), Bullets(("x",), "L")))
    assert to_text(sheet) == "T\n=\n\nA\n-\n\nB\n!! p\nL:\n- x\n"
    assert to_markdown(sheet) == "# T\n\n## A\n\n### B\n\n**p**\n\n**L**\n\n- x\n"
    body = to_html_body(sheet)
    assert body == '<h1>T</h1>\n<h2>A</h2>\n<h3>B</h3>\n<p class="warning">p</p>\n<p><b>L</b></p><ul><li>x</li></ul>\n'
    assert '<html lang="zh-CN">' in to_html(sheet)


@pytest.mark.parametrize("render", [to_html, to_markdown, to_text])
def test_several_sheets_become_one_report(render):
    sheets = [Sheet(title, "en", (Paragraph(f"of {title}"),)) for title in ("one", "two")]
    report = render(*sheets)
    assert report.index("of one") < report.index("two") < report.index("of two")
    assert report.count("<title>") <= 1


@given(st.lists(st.text(alphabet="ab 中文，.", max_size=80), min_size=2, max_size=2), st.integers(30, 90))
def test_terminal_lines_fit_the_width(cells: list[str], width: int):
    blocks = (
        Heading(cells[0], 3),
        Paragraph(cells[0], emphasised=True),
        Bullets((cells[1],), cells[0]),
        Table(("a", "b"), (tuple(cells),)),
    )
    text = to_text(Sheet("t", "zh", blocks), width=width)
    assert all(display_width(line) <= width for line in text.splitlines())


def test_wrapping_loses_no_word():
    words = [f"word{number}" for number in range(60)]
    text = to_text(Sheet("t", "en", (Paragraph(" ".join(words)),)), width=40)
    assert text.split()[2:] == words
