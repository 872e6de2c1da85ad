"""Which tables of a filing are its balance sheet, income statement and cash flow statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from apps.finance_risk.filings.captions import Caption, read_caption
from apps.finance_risk.filings.columns import Column, HeaderContext, find_columns
from apps.finance_risk.filings.grid import Table
from apps.finance_risk.filings.lines import STATEMENTS, Statement
from apps.finance_risk.filings.matching import ReadTable, read_table
from apps.finance_risk.filings.scale import UNSTATED, Scale

# A statement must print one line of each of these groups; without them a table is a note, a summary or prose.
_REQUIRED: dict[Statement, tuple[frozenset[str], ...]] = {
    "balance_sheet": (frozenset(("total_assets", "liabilities_and_equity")),),
    "income_statement": (
        frozenset(("net_income", "consolidated_net_income")),
        frozenset(("revenue", "pretax_income", "operating_income", "operating_expenses", "income_tax")),
    ),
    "cash_flow": (
        frozenset(("operating_cash_flow",)),
        frozenset(("investing_cash_flow", "financing_cash_flow")),
    ),
}
_MIN_LINES = 3
_TITLE_BONUS = 4.0
_SECONDARY_PENALTY = 8.0
_CONTINUATION_REACH = 3  # tables after the first part in which a statement may go on (page breaks, spacer tables)
_MIN_FIGURES = 3  # numbers that make a table one of figures, before which no caption is sought


@dataclass(frozen=True, slots=True)
class StatementPart:
    """One table of a statement; a page break may split a statement over several."""

    read: ReadTable
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class PrintedStatement:
    """A statement found in the filing. `is_secondary`: of the parent alone, pro forma or a summary."""

    statement: Statement
    title: str
    parts: tuple[StatementPart, ...]
    scale: Scale
    currency: str | None
    is_secondary: bool


def find_statements(
    text: str, tables: Sequence[Table], *, period_end: date | None, annual: bool
) -> tuple[PrintedStatement, ...]:
    """The filing's primary statements, at most one of each kind, consolidated ones first.

    Args:
        text: the filing's text.
        period_end: the fiscal period end on the cover, where known.
        annual: the form reports whole years.
    """
    reads: list[ReadTable] = []
    captions: dict[int, Caption] = {}
    floor = 0
    for table in tables:
        if table.is_layout:
            continue
        read = read_table(table)
        if read.lines:
            captions[len(reads)] = read_caption(text, read, floor)
        reads.append(read)
        if sum(len(row.tokens) for row in read.rows) >= _MIN_FIGURES:
            floor = table.span.end
    found: list[PrintedStatement] = []
    for statement in STATEMENTS:
        printed = _find(statement, reads, captions, period_end=period_end, annual=annual)
        if printed is not None:
            found.append(printed)
    return tuple(_with_sibling_units(found))


def _find(
    statement: Statement,
    reads: list[ReadTable],
    captions: dict[int, Caption],
    *,
    period_end: date | None,
    annual: bool,
) -> PrintedStatement | None:
    candidates = {
        position: score for position in captions if (score := _score(statement, reads, captions, position)) is not None
    }
    if not candidates:
        return None
    best = max(candidates, key=lambda position: (candidates[position], -position))
    caption = captions[best]
    positions = [best, *_continuations(statement, best, reads, captions)]
    parts: list[StatementPart] = []
    for position in sorted(positions):
        title = captions[position].text if captions[position].title else caption.text
        kind = "instant" if statement == "balance_sheet" else "duration"
        context = HeaderContext(kind, title, period_end, annual)  # type: ignore[arg-type]
        parts.append(StatementPart(reads[position], find_columns(reads[position].table, reads[position].rows, context)))
    scales = [captions[position].scale for position in (best, *positions) if captions[position].scale]
    currencies = [captions[position].currency for position in (best, *positions) if captions[position].currency]
    return PrintedStatement(
        statement,
        caption.title,
        _share_columns(parts),
        scales[0] if scales and scales[0] else UNSTATED,
        currencies[0] if currencies else None,
        caption.is_secondary,
    )


def _score(statement: Statement, reads: list[ReadTable], captions: dict[int, Caption], position: int) -> float | None:
    """How much a table looks like `statement`, or None where it cannot be."""
    names = set(reads[position].names(statement))
    for later in _continuations(statement, position, reads, captions):
        names |= reads[later].names(statement)
    if len(names) < _MIN_LINES or not all(names & group for group in _REQUIRED[statement]):
        return None
    if _prints_shares_of_a_total(reads[position], statement):
        return None
    caption = captions[position]
    score = float(len(names))
    if caption.title_of == statement:
        score += _TITLE_BONUS
    if caption.is_secondary:
        score -= _SECONDARY_PENALTY
    return score


def _prints_shares_of_a_total(read: ReadTable, statement: Statement) -> bool:
    """A common-size table: its first recognised line is printed in per cent."""
    rows = [matches[0].row for name, matches in read.lines.items() if name in read.names(statement)]
    first = min(rows, key=lambda row: row.index, default=None)
    return first is not None and bool(first.tokens) and first.tokens[0].number.is_percent


def _continuations(
    statement: Statement, position: int, reads: list[ReadTable], captions: dict[int, Caption]
) -> list[int]:
    """Positions of the tables right after `position` that go on with the same statement."""
    seen = set(reads[position].names(statement))
    if not seen:
        return []
    found: list[int] = []
    for later in range(position + 1, min(position + 1 + _CONTINUATION_REACH, len(reads))):
        names = reads[later].names(statement)
        caption = captions.get(later)
        if caption is None or (caption.title_of not in (None, statement)) or names & seen:
            if sum(len(row.tokens) for row in reads[later].rows) >= _MIN_FIGURES:
                break
            continue
        if len(names) >= 2 or (names and names & {"liabilities_and_equity", "financing_cash_flow"}):
            found.append(later)
            seen |= names
    return found


def _share_columns(parts: list[StatementPart]) -> tuple[StatementPart, ...]:
    """A part without a header of its own takes the columns' periods, in order, from the part before it."""
    shared: list[StatementPart] = []
    for part in parts:
        before = shared[-1].columns if shared else ()
        if before and len(before) == len(part.columns) and not any(column.period for column in part.columns):
            columns = tuple(
                replace(own, period=known.period, reason=known.reason, heading=known.heading)
                for own, known in zip(part.columns, before, strict=True)
            )
            part = replace(part, columns=columns)
        shared.append(part)
    return tuple(shared)


def _with_sibling_units(found: list[PrintedStatement]) -> list[PrintedStatement]:
    """Where a statement states no scale or currency, the others' are taken if they agree."""
    scales = {(s.scale.money, s.scale.shares) for s in found if s.scale.is_stated}
    currencies = {s.currency for s in found if s.currency}
    completed: list[PrintedStatement] = []
    for printed in found:
        if not printed.scale.is_stated and len({money for money, _ in scales}) == 1:
            sibling = next(s.scale for s in found if s.scale.is_stated)
            printed = replace(printed, scale=replace(sibling, basis="sibling"))
        if printed.currency is None and len(currencies) == 1:
            printed = replace(printed, currency=next(iter(currencies)))
        completed.append(printed)
    return completed
