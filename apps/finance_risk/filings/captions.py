"""The text around a table: its title, and the words that give its unit."""

from __future__ import annotations

import re
from dataclasses import dataclass

from apps.finance_risk.filings.columns import header_rows
from apps.finance_risk.filings.lines import Statement
from apps.finance_risk.filings.matching import ReadTable
from apps.finance_risk.filings.scale import Scale, read_currency, read_scale

WINDOW_CHARACTERS = 900
_MAX_LINE = 300  # a caption is a line; longer lines are prose that may speak of millions of anything
_TITLE_LINE = 160  # characters; what names a statement is no longer
_SHORT_LINE = 100
_TITLES: dict[Statement, re.Pattern[str]] = {
    "balance_sheet": re.compile(
        r"balance\s+sheets?|statements?\s+of\s+(?:consolidated\s+)?financial\s+(?:position|condition)|资产负债表|财务状况表",
        re.I,
    ),
    "income_statement": re.compile(
        r"statements?\s+of\s+(?:consolidated\s+)?(?:net\s+)?(?:operations|income|earnings|comprehensive|profit)"
        r"|(?:income|earnings|operations)\s+statements?|利润表|损益表|收益表",
        re.I,
    ),
    "cash_flow": re.compile(
        r"statements?\s+of\s+(?:consolidated\s+)?cash\s*flows?|cash\s*flows?\s+statements?|现金流量表", re.I
    ),
}
_SECONDARY = re.compile(
    r"parent[\s-]+(?:company|only)|condensed\s+financial\s+information|\bschedule\s+[iv]+\b|pro\s+forma|guarantor"
    r"|supplement(?:al|ary)(?!\s+data)|selected|reconciliation|segment|as\s+a\s+percent|percentage|quarterly|母公司|(?<!合并)(?<!本)公司资产负债表"
    r"|分部|备考",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Caption:
    """What stands before and atop a table.

    Attributes:
        text: lines before the table, then its header rows, nearest last.
        title: the line that names a statement, or empty.
        title_of: the statement it names.
        is_secondary: the title is of a parent-only, pro forma, selected or similar table.
    """

    text: str
    title: str
    title_of: Statement | None
    is_secondary: bool
    scale: Scale | None
    currency: str | None


def read_caption(filing_text: str, read: ReadTable, floor: int) -> Caption:
    """The caption of a table.

    Args:
        floor: offset where the text may begin: the end of the last table of figures before this one.
    """
    start = max(floor, read.table.span.start - WINDOW_CHARACTERS)
    before = [line.strip() for line in filing_text[start : read.table.span.start].split("\n")]
    first = header_rows(read.rows)
    inside = [cell.text for cells in read.table.rows[:first] for cell in cells if cell.text]
    lines = [" ".join(line.split()) for line in (*before, *inside) if line and len(line) <= _MAX_LINE]
    title, title_of, position = _title(lines)
    above = [line for line in lines[max(0, position - 2) : position] if len(line) < _SHORT_LINE and line[-1] != "."]
    around = [*above, *lines[position:]] if title else lines
    return Caption(
        text="\n".join(lines[max(0, position) :] if title else lines[-8:]),
        title=title,
        title_of=title_of,
        is_secondary=any(_SECONDARY.search(line) for line in around if len(line) < _TITLE_LINE),
        scale=_scale(lines),
        currency=_currency(read, lines),
    )


def _title(lines: list[str]) -> tuple[str, Statement | None, int]:
    """The nearest line that names a statement, without being a sentence that mentions one."""
    for position in range(len(lines) - 1, -1, -1):
        line = lines[position]
        if len(line) > _TITLE_LINE or re.search(r"\b(see|refer|notes? to|accompanying)\b", line, re.IGNORECASE):
            continue
        for statement, pattern in _TITLES.items():
            if pattern.search(line):
                return line, statement, position
    return "", None, len(lines)


def _scale(lines: list[str]) -> Scale | None:
    """The nearest statement of a unit; lines nearer the figures win."""
    return next((scale for line in reversed(lines) if (scale := read_scale(line)) is not None), None)


def _currency(read: ReadTable, lines: list[str]) -> str | None:
    signs = {token.number.currency for row in read.rows for token in row.tokens if token.number.currency}
    named = next((code for line in reversed(lines) if (code := read_currency(line)) is not None), None)
    if named and named != "USD":
        return named
    return named or next((code for sign in sorted(signs) if (code := read_currency(sign)) is not None), None)
