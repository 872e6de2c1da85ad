"""CSV: every cell comes back as it was or behind an apostrophe, and none is a formula."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.report import to_csv
from core.report.spreadsheet import harmless

CELLS = st.text(alphabet="=+-@|%'\" ,;\t\r\n\u3000＝1aé中", max_size=6)


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", " =1", "\t=1", "＝1", "\u3000@x", "\r\n=1", "%0A", "|x"])
def test_what_a_spreadsheet_would_run_is_text(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["a=1", "1", "", "卡 = 6", "– none", "✓ ok"])
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
            assert not cell.strip(" \u3000").startswith(("=", "+", "-", "@", "＝", "|", "%"))
