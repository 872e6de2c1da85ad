"""Plain-text filings: figures set in columns with spaces become tables like those of HTML.

Old submissions print statements in fixed pitch: a label, perhaps dot leaders, then numbers that end in the same
character column. Character columns serve as grid columns first, so that a heading over two columns of figures spans
both; they are then numbered as a reader would count them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from apps.finance_risk.filings.grid import Cell, Table
from apps.finance_risk.filings.numbers import is_currency_sign, parse_number
from apps.finance_risk.filings.render import Rendered
from core.text.spans import Span

_TAG_LINE = re.compile(r"^\s*<[^>]{1,40}>(?:\s*<[^>]{1,40}>)*\s*$")
_RULE_LINE = re.compile(r"^[\s=\-_~]+$")
_PIECE = re.compile(r"\S+(?: \S+)*")
_LEADERS = re.compile(r"\s*\.(?:\s?\.){2,}\s*")
_DOLLAR_NUMBER = re.compile(r"\$\s+(?=[\d(.])")
_MAX_GAP = 6  # lines without figures inside a statement: headings, rules, blank lines
_HEADER_LINES = 8
_MIN_ROWS = 3


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    pieces: tuple[tuple[int, int, str], ...]  # start and end column, text

    @property
    def figures(self) -> int:
        return sum(1 for _, _, text in self.pieces[1:] if parse_number(text) is not None) if self.has_label else 0

    @property
    def has_label(self) -> bool:
        return bool(self.pieces) and bool(re.search(r"[A-Za-z]{2}|[\u4e00-\u9fff]", self.pieces[0][2]))


def render_text(content: str) -> Rendered:
    """The text as it is, and the tables found in it."""
    text = content.replace("\t", "    ")
    lines = _lines(text)
    blocks = _blocks(lines)
    tables = tuple(_table(index, lines[first:last]) for index, (first, last) in enumerate(blocks))
    return Rendered(text, tables)


def _lines(text: str) -> list[_Line]:
    lines: list[_Line] = []
    start = 0
    for raw in text.split("\n"):
        lines.append(_Line(start, () if _TAG_LINE.match(raw) or _RULE_LINE.match(raw) else _pieces(raw)))
        start += len(raw) + 1
    return lines


def _pieces(raw: str) -> tuple[tuple[int, int, str], ...]:
    """Pieces of a line set apart by two or more spaces or by dot leaders; "$  1,234" is one piece."""
    flat = _LEADERS.sub(lambda match: " " * len(match.group()), raw)
    flat = _DOLLAR_NUMBER.sub(lambda match: " " * (len(match.group()) - 1) + "$", flat)
    return tuple((match.start(), match.end(), match.group()) for match in _PIECE.finditer(flat))


def _blocks(lines: list[_Line]) -> list[tuple[int, int]]:
    """Ranges of lines that hold a table: rows of figures with small gaps, and the header lines above."""
    figures = [index for index, line in enumerate(lines) if line.figures]
    runs: list[list[int]] = []
    for index in figures:
        if runs and index - runs[-1][-1] <= _MAX_GAP:
            runs[-1].append(index)
        else:
            runs.append([index])
    blocks: list[tuple[int, int]] = []
    for run in runs:
        if len(run) >= _MIN_ROWS:
            floor = blocks[-1][1] if blocks else 0
            blocks.append((max(floor, run[0] - _HEADER_LINES), run[-1] + 1))
    return blocks


def _table(index: int, lines: list[_Line]) -> Table:
    bounds = _column_bounds(lines)
    rows: list[tuple[Cell, ...]] = []
    for line in lines:
        if line.pieces:
            rows.append(_row(len(rows), line, bounds))
    last = lines[-1]
    end = last.start + (last.pieces[-1][1] if last.pieces else 0)
    return Table(index, tuple(rows), len(bounds) + 1, Span(lines[0].start, end))


def _column_bounds(lines: list[_Line]) -> list[tuple[int, int]]:
    """Character ranges of the columns of figures: overlapping numbers stand in one column."""
    ranges: list[tuple[int, int]] = []
    for line in lines:
        for start, end, text in line.pieces[1:] if line.has_label else ():
            if parse_number(text) is None or is_currency_sign(text):
                continue
            joined = [r for r in ranges if start < r[1] and end > r[0]]
            ranges = [r for r in ranges if r not in joined]
            ranges.append((min([start, *(r[0] for r in joined)]), max([end, *(r[1] for r in joined)])))
    return sorted(ranges)


def _row(row: int, line: _Line, bounds: list[tuple[int, int]]) -> tuple[Cell, ...]:
    cells: list[Cell] = []
    for start, end, text in line.pieces:
        touched = [i for i, (low, high) in enumerate(bounds) if start < high and end > low]
        if not touched and cells:
            nearest = [i for i, (low, high) in enumerate(bounds) if abs((low + high) / 2 - (start + end) / 2) <= 8]
            touched = nearest[:1]
        column, width = (touched[0] + 1, len(touched)) if touched else (0, 1)
        if cells and column < cells[-1].end_column:
            column = cells[-1].end_column
        span = Span(line.start + start, line.start + end)
        cells.append(Cell(row, column, 1, max(width, 1), text, span))
    return tuple(cells)
