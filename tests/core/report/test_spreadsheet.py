"""CSV: every cell comes back as it was or behind an apostrophe, and none is a formula."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.report import to_csv, to_html
from core.report.blocks import Bullets, Heading, Paragraph, Sheet, Table
from core.report.spreadsheet import harmless

CELLS = st.text(alphabet="=+-@|%'\" ,;\t\r\n\u3000＝1aé中", max_size=6)


@pytest.mark.parametrize(
    "cell", ["=1", "+1+1", "-1+cmd|x", "-1,2;3", "+A1", "@x", " =1", "\t=1", "＝1", "\u3000@x", "\r\n=1", "%0A", "|x"]
)
def test_what_a_spreadsheet_would_run_is_text(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["a=1", "1", "", "-1", "+3.5%", "-1,120.50", "－3", "卡 = 6", "– none", "✓ ok"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert harmless(cell) == cell


@given(st.lists(st.tuples(CELLS, CELLS), max_size=4))
def test_every_cell_comes_back_and_none_is_a_formula(rows: list[tuple[str, str]]) -> None:
    text = to_csv(("=a", "b"), rows)
    assert text.startswith("\ufeff")
    read = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert read[0] == ["'=a", "b"]
    for row, given_row in zip(read[1:], rows, strict=True):
        for cell, given_cell in zip(row, given_row, strict=True):
            assert cell in (given_cell, f"'{given_cell}")
            number = re.fullmatch(r"[+-]?1+%?", cell.strip(" \u3000"))
            assert number or not cell.strip(" \u3000").startswith(("=", "+", "-", "@", "＝", "|", "%"))


def test_a_page_opened_in_a_spreadsheet_runs_nothing() -> None:
    evil = "=HYPERLINK(1)"
    blocks = (Heading(evil), Paragraph(evil), Bullets((evil,)), Table((evil,), ((evil,), ("-12.5",), ("=",))))
    page = to_html(Sheet(evil, "en", blocks))
    assert re.search(r">\s*[=+@|%]", page.partition("<body>")[2]) is None
    assert "<td>-12.5</td>" in page
    assert page.count("\u2060=HYPERLINK(1)") == 6
