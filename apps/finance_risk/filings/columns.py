"""Which columns of a table hold values, and the period each one stands for."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date

from apps.finance_risk.filings.grid import Cell, Table
from apps.finance_risk.filings.periods import (
    Kind,
    Period,
    find_chinese_year_end,
    find_dates,
    find_month_days,
    find_months,
    find_years,
    in_year,
    is_month_end,
    normalise,
)
from apps.finance_risk.filings.rows import Row, Token
from apps.finance_risk.messages import Message, say

_NOT_A_PERIOD = re.compile(
    r"\b(change|changes|variance|increase|decrease|percent(age)?|pro forma|adjustments?|eliminations?"
    r"|reclassifications?|notes?|ref|effects? of|corrections?)\b|%|附注|注释|增减|变动|同比|比例|调整数|项目注",
    re.IGNORECASE,
)
_PREFERRED = re.compile(
    r"\b(as restated|restated|as revised|as adjusted|consolidated)\b|调整后|重述后|合并", re.IGNORECASE
)
_SUPERSEDED = re.compile(
    r"\b(as (previously|originally) reported|previously reported|parent|guarantors?|subsidiar(y|ies))\b"
    r"|调整前|重述前|母公司",
    re.IGNORECASE,
)
_SPAN_WORDS = re.compile(r"\b(from|through|to)\b|至", re.IGNORECASE)
_DAYS_IN_MONTH = 30.4375
_LATE_END_MONTH = 3
_THIS_END = re.compile(r"期末|年末|本年末|current (year|period)", re.IGNORECASE)
_LAST_END = re.compile(r"期初|年初|上年(年)?末|上期期?末|prior (year|period)", re.IGNORECASE)
_THIS_YEAR = re.compile(r"本期|本年|current (year|period)", re.IGNORECASE)
_LAST_YEAR = re.compile(r"上期|上年|去年同期|prior (year|period)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HeaderContext:
    """What the surroundings of a table say that its columns may leave out.

    Attributes:
        kind: instants for a balance sheet, durations otherwise.
        title: text before the table, its caption included.
        period_end: the filing's fiscal period end from its cover, where known.
        annual: the form reports whole years (10-K, 年度报告).
    """

    kind: Kind
    title: str
    period_end: date | None
    annual: bool


@dataclass(frozen=True, slots=True)
class Column:
    """A column of values. `period` is None where `reason` says why it stands for none."""

    start: int
    end: int
    heading: str
    period: Period | None
    reason: Message | None = None


def header_rows(rows: tuple[Row, ...]) -> int:
    """How many rows come before the first row of figures."""
    for row in rows:
        if row.is_data and row.label:
            return row.index
    return len(rows)


def find_columns(table: Table, rows: tuple[Row, ...], context: HeaderContext) -> tuple[Column, ...]:
    """Value columns, left to right, each with its period or the reason why it has none."""
    first = header_rows(rows)
    ranges = _value_ranges([row.tokens for row in rows[first:]])
    headings = [_heading(table, first, start, end, ranges) for start, end in ranges]
    headings = _by_order(table, first, ranges, headings)
    stub = _stub_text(table, first, ranges)
    columns = [
        _column(start, end, heading, stub, context) for (start, end), heading in zip(ranges, headings, strict=True)
    ]
    return tuple(_without_rivals(_with_cover_year(columns, headings, context)))


def assign(token: Token, columns: tuple[Column, ...]) -> Column | None:
    """The column `token` stands in: the one it overlaps most."""
    best = max(columns, key=lambda c: min(token.end, c.end) - max(token.start, c.start), default=None)
    return best if best and min(token.end, best.end) > max(token.start, best.start) else None


def _value_ranges(token_rows: list[tuple[Token, ...]]) -> list[tuple[int, int]]:
    """Column ranges of values: the union of ranges over the rows with the commonest count of numbers."""
    lined = [tokens for tokens in token_rows if tokens]
    if not lined:
        return []
    counts = Counter(len(tokens) for tokens in lined)
    count = max(counts, key=lambda size: (counts[size], size))
    typical = [tokens for tokens in lined if len(tokens) == count]
    # The commonest start of the k-th number: a stray row must not widen a column over its neighbour.
    ranges: list[tuple[int, int]] = []
    for position in range(count):
        start = Counter(tokens[position].start for tokens in typical).most_common(1)[0][0]
        ends = [tokens[position].end for tokens in typical if tokens[position].start == start]
        starts = [t[position].start for t in typical if t[position].start < max(ends) and t[position].end > start]
        ranges.append((min(starts), max(ends)))
    clipped: list[tuple[int, int]] = []
    for start, end in ranges:
        start = max(start, clipped[-1][1]) if clipped else start
        clipped.append((start, max(end, start + 1)))
    return clipped


@dataclass(frozen=True, slots=True)
class _Heading:
    narrow: str  # cells over this column alone
    wide: str  # cells over several columns

    @property
    def text(self) -> str:
        return normalise(f"{self.wide} {self.narrow}")


def _touched(cell: Cell, ranges: list[tuple[int, int]]) -> int:
    return sum(1 for start, end in ranges if cell.column < end and cell.end_column > start)


def _heading(table: Table, first: int, start: int, end: int, ranges: list[tuple[int, int]]) -> _Heading:
    narrow: list[str] = []
    wide: list[str] = []
    for cells in table.rows[:first]:
        for cell in cells:
            if cell.text and cell.column < end and cell.end_column > start:
                (wide if _touched(cell, ranges) > 1 else narrow).append(cell.text)
    return _Heading(normalise(" ".join(narrow)), normalise(" ".join(wide)))


def _by_order(table: Table, first: int, ranges: list[tuple[int, int]], headings: list[_Heading]) -> list[_Heading]:
    """Headings by order where a header row names a period for each value column but stands askew of them."""
    if all(find_dates(h.text) or find_years(h.narrow) for h in headings) or not headings:
        return headings
    for cells in table.rows[:first]:
        dated = [cell.text for cell in cells if find_dates(normalise(cell.text)) or find_years(normalise(cell.text))]
        if len(dated) == len(ranges) and len(dated) > 1:
            return [_Heading(normalise(text), h.wide) for text, h in zip(dated, headings, strict=True)]
    return headings


def _stub_text(table: Table, first: int, ranges: list[tuple[int, int]]) -> str:
    """Header text over no value column: the corner that says "Year ended December 31,"."""
    cells = [cell.text for row in table.rows[:first] for cell in row if cell.text and _touched(cell, ranges) == 0]
    return normalise(" ".join(cells))


def _column(start: int, end: int, heading: _Heading, stub: str, context: HeaderContext) -> Column:
    if _NOT_A_PERIOD.search(heading.narrow):
        return Column(start, end, heading.text, None, say("column_compares"))
    end_date, year, basis = _end(heading, stub, context)
    if end_date is None and year is None:
        return Column(start, end, heading.text, None, say("column_undated"))
    if context.kind == "instant":
        return Column(start, end, heading.text, Period("instant", end_date, None, year, basis))
    months, months_basis = _months(heading, stub, context)
    if months is None:
        return Column(start, end, heading.text, None, say("column_unlengthed"))
    return Column(start, end, heading.text, Period("duration", end_date, months, year, basis or months_basis))


def _end(heading: _Heading, stub: str, context: HeaderContext) -> tuple[date | None, int | None, Message | None]:
    """`(end date, fiscal year, basis)`; a date beats a year, the column's own words beat what stands around it."""
    for text in (heading.narrow, heading.text):
        dates = find_dates(text)
        if dates:
            return max(dates), None, None
    if context.kind == "duration":
        chinese = find_chinese_year_end(heading.narrow) or find_chinese_year_end(heading.wide)
        if chinese is not None:
            return chinese, None, None
    years = find_years(heading.narrow) or find_years(heading.wide)
    if len(years) == 1:
        named = {day for text in (stub, normalise(context.title)) for day in find_dates(text) if day.year == years[0]}
        if len(named) == 1:
            return named.pop(), None, None
        for text in (heading.text, stub, context.title):
            month_days = find_month_days(text)
            if len(month_days) == 1:
                return in_year(years[0], *month_days[0]), None, None
        return None, years[0], say("period_year_only", years[0])
    return _relative_end(heading, stub, context)


def _relative_end(
    heading: _Heading, stub: str, context: HeaderContext
) -> tuple[date | None, int | None, Message | None]:
    """期末/期初, current/prior year: relative to the one date of the caption, or to the cover's period."""
    dates = find_dates(normalise(f"{stub} {context.title}"))
    years = find_years(normalise(f"{stub} {context.title}"))
    if dates:
        base = dates[-1]
    elif years and context.annual:
        base = (
            date(years[-1], 12, 31)
            if context.period_end is None
            else in_year(years[-1], context.period_end.month, context.period_end.day)
        )
    elif context.period_end:
        base = context.period_end
    else:
        return None, None, None
    this, last = (_THIS_END, _LAST_END) if context.kind == "instant" else (_THIS_YEAR, _LAST_YEAR)
    basis = say("period_relative", heading.narrow, base.isoformat())
    if last.search(heading.narrow):
        # An opening balance is the balance at the end of the year before.
        earlier = (
            date(base.year - 1, 12, 31) if context.kind == "instant" else in_year(base.year - 1, base.month, base.day)
        )
        return earlier, None, basis
    if this.search(heading.narrow):
        return base, None, basis
    return None, None, None


def _months(heading: _Heading, stub: str, context: HeaderContext) -> tuple[int | None, Message | None]:
    ends = find_dates(heading.narrow)
    if len(ends) > 1 and _SPAN_WORDS.search(heading.narrow):
        # "Period from February 1, 2024 to December 31, 2024", as after a change of owner.
        return round((max(ends) - min(ends)).days / _DAYS_IN_MONTH) or None, None
    for text in (heading.text, stub, normalise(context.title)):
        months = find_months(text)
        if months is not None:
            return months, None
    if context.annual:
        return 12, say("period_annual")
    return None, None


def _with_cover_year(columns: list[Column], headings: list[_Heading], context: HeaderContext) -> list[Column]:
    """Dates for columns that print only a year, from the fiscal year end on the cover.

    The latest year is the cover's. Earlier years get the same month and day only where that is a month's end: a year of
    52 or 53 weeks ends on another day each time, and then only the year is known.
    """
    periods = [column.period for column in columns if column.period is not None]
    years = [period.fiscal_year for period in periods if period.end is None and period.fiscal_year]
    if not years or len(years) < len(periods) or context.period_end is None or not context.annual:
        return columns
    latest, cover = max(years), context.period_end
    # "Fiscal 2024" may end early in 2025: years that end by March are often named after the one they mostly lie in.
    if latest != cover.year and not (latest == cover.year - 1 and cover.month <= _LATE_END_MONTH):
        return columns
    dated: list[Column] = []
    for column in columns:
        period = column.period
        if period is not None and period.end is None and period.fiscal_year is not None:
            back = latest - period.fiscal_year
            if back == 0 or is_month_end(cover):
                end = in_year(cover.year - back, cover.month, cover.day)
                column = replace(column, period=replace(period, end=end, basis=say("period_from_cover")))
        dated.append(column)
    return dated


def _without_rivals(columns: list[Column]) -> list[Column]:
    """Where several columns stand for one period, keep the restated or consolidated one; else none of them."""
    settled: list[Column] = []
    for column in columns:
        rivals = [c for c in columns if c.period and column.period and c.period.key == column.period.key]
        if len(rivals) > 1:
            eligible = [c for c in rivals if not _SUPERSEDED.search(c.heading)]
            preferred = [c for c in eligible if _PREFERRED.search(c.heading)] or eligible
            if len(preferred) != 1:
                column = replace(column, period=None, reason=say("column_rivals"))
            elif column is not preferred[0]:
                column = replace(column, period=None, reason=say("column_superseded", preferred[0].heading))
        settled.append(column)
    return settled
