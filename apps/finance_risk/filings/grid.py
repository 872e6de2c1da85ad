"""A table as a grid: cells at their row and column after row and column spans are laid out."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.text.spans import Span

MAX_COLUMN_SPAN = 1000  # the HTML standard's own bound for colspan
MAX_ROW_SPAN = 1000
MAX_POSITIONS = 200_000  # a printed statement has a few thousand; more is an attack or a data dump


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as printed. `row` and `column` count from 0; `span` is into the filing's text."""

    row: int
    column: int
    row_span: int
    column_span: int
    text: str
    span: Span

    @property
    def end_column(self) -> int:
        """First column right of this cell."""
        return self.column + self.column_span


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a filing.

    Attributes:
        index: position among the filing's tables, from 0.
        rows: cells by the row they start in, left to right; empty cells are kept.
        column_count: columns of the grid.
        span: the table's text in the filing.
        is_layout: it holds other tables, so it arranges the page and prints no figures of its own.
        is_cut: it had more positions than `MAX_POSITIONS`; the rest was left out.
    """

    index: int
    rows: tuple[tuple[Cell, ...], ...]
    column_count: int
    span: Span
    is_layout: bool = False
    is_cut: bool = False

    def cell(self, row: int, column: int) -> Cell | None:
        """The cell that starts at `(row, column)`, or None."""
        if 0 <= row < len(self.rows):
            return next((cell for cell in self.rows[row] if cell.column == column), None)
        return None


@dataclass
class GridBuilder:
    """Places cells in reading order, as browsers do: each in the first free column of its row."""

    _rows: list[list[Cell]] = field(default_factory=list)
    _blocked: dict[int, int] = field(default_factory=dict)
    _column: int = 0
    _positions: int = 0
    column_count: int = 0
    is_cut: bool = False

    def start_row(self) -> None:
        """Begin the next row; spans from rows above keep their columns blocked."""
        self._blocked = {column: left - 1 for column, left in self._blocked.items() if left > 1}
        self._rows.append([])
        self._column = 0

    def add_cell(self, text: str, span: Span, *, row_span: int = 1, column_span: int = 1) -> None:
        """Place a cell in the current row; a row is begun where none is open."""
        if not self._rows:
            self.start_row()
        row_span = min(max(row_span, 1), MAX_ROW_SPAN)
        column_span = min(max(column_span, 1), MAX_COLUMN_SPAN)
        self._positions += column_span
        if self._positions > MAX_POSITIONS:
            self.is_cut = True
            return
        while self._column in self._blocked:
            self._column += 1
        cell = Cell(len(self._rows) - 1, self._column, row_span, column_span, text, span)
        self._rows[-1].append(cell)
        if row_span > 1:
            for column in range(cell.column, cell.end_column):
                self._blocked[column] = row_span
        self._column = cell.end_column
        self.column_count = max(self.column_count, self._column)

    def build(self, index: int, span: Span, *, is_layout: bool) -> Table:
        """The finished table."""
        rows = tuple(tuple(row) for row in self._rows)
        return Table(index, rows, self.column_count, span, is_layout=is_layout, is_cut=self.is_cut)
