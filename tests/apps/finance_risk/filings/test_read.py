"""A filing from bytes: evidence leads back to the cell, speed, and hostile or foreign input."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.finance_risk.evaluation.documents import notation_to_html
from apps.finance_risk.filings import NotAFiling, read_filing
from apps.finance_risk.filings.grid import Table
from core.errors import FileTooLarge, TriviumError, UnreadableFile
from core.evidence import CellEvidence

BALANCE = """FORM 10-K
CONSOLIDATED BALANCE SHEETS
(In thousands)
| | December 31, 2024 | December 31, 2023
| Total current assets | {current} | 280
| Total assets | 700 | 650
| Total liabilities | 450 | 420
| Total equity | 250 | 230
| Total liabilities and equity | 700 | 650
"""


def read(notation: str):
    return read_filing(f"<html><body>{notation_to_html(notation)}</body></html>".encode(), "f.html")


def cell_text(table: Table, cell: CellEvidence) -> str:
    found = table.cell(cell.row, cell.column)
    assert found is not None
    return found.text


def test_every_fact_leads_back_to_the_cell_it_was_read_from():
    filing = read(BALANCE.format(current="300"))
    assert len(filing.facts) == 10
    for fact in filing.facts:
        assert isinstance(fact.evidence, CellEvidence)
        printed = cell_text(filing.tables[fact.evidence.table], fact.evidence)
        assert printed == fact.evidence.text
        assert fact.value == int(printed) * 1000
        assert filing.tables[fact.evidence.table].cell(fact.evidence.row, 0).text == fact.evidence.row_label


@settings(max_examples=30)
@given(st.integers(0, 999))
def test_the_value_follows_the_page(current: int):
    fact = read(BALANCE.format(current=current)).fact("current_assets")
    assert fact.value == current * 1000
    assert fact.is_suspect == (current > 700)  # more current assets than assets


def test_a_column_added_before_changes_no_value():
    plain = {(f.concept, f.period.key): f.value for f in read(BALANCE.format(current="300")).facts}
    lines = [line.replace("| ", "| | ", 1) if line.startswith("|") else line for line in BALANCE.splitlines()]
    shifted = read("\n".join(lines).format(current="300"))
    assert {(f.concept, f.period.key): f.value for f in shifted.facts} == plain


def test_an_unknown_line_says_why():
    filing = read(BALANCE.format(current=""))
    reason = {u.concept: u.reason for u in filing.unknowns if u.period and u.period.end.year == 2024}["current_assets"]
    assert reason.key == "empty_cell" and "Total current assets" in reason.text("zh")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", UnreadableFile),
        (b"%PDF-1.7", UnreadableFile),
        (b"a,b\n1,2\n", NotAFiling),
        (b'{"facts": {"Assets": 5}}', NotAFiling),
        (b"<html><body><p>Total assets are 700</p></body></html>", NotAFiling),
        ("<div>" * 400 + "FORM 10-K", UnreadableFile),
    ],
)
def test_what_is_no_filing_is_refused(data: bytes | str, error: type[TriviumError]):
    with pytest.raises(error):
        read_filing(data.encode() if isinstance(data, str) else data, "f")


def test_too_large_is_refused_by_size(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.config.Settings.max_upload_bytes", property(lambda self: 10))
    with pytest.raises(FileTooLarge):
        read_filing(b"x" * 11, "f")


@pytest.mark.parametrize("text", ["(" * 100_000, "无" * 100_000, "total liabilities and " * 20_000, "1,234  " * 50_000])
def test_repetitive_text_ends_soon(text: str):
    started = time.process_time()
    with pytest.raises(NotAFiling):
        read_filing(text.encode(), "f.txt")
    assert time.process_time() - started < 5


def test_long_labels_do_not_stall_the_patterns():
    row = "| " + "net income before and " * 200 + "| 5"
    started = time.process_time()
    read(BALANCE.format(current="300") + row + "\n" + "| " + "total liabilities and " * 9 + "| 5")
    assert time.process_time() - started < 5
