"""Rows of a table as label and numbers: "$", "(" and "%" in cells of their own are joined to their number."""

from __future__ import annotations

import re
from dataclasses import dataclass

from apps.finance_risk.filings.grid import Cell, Table
from apps.finance_risk.filings.labels import normalise_label
from apps.finance_risk.filings.numbers import PrintedNumber, is_currency_sign, parse_number

_LETTERS = re.compile(r"[A-Za-z]{2}|[\u4e00-\u9fff]")
_CLOSING = frozenset((")", "%", ")%", "%)", "）", "）%"))
_CONNECTOR = re.compile(r"(?:\b(?:and|of|to|by|before|for|from|in|the|or|per|attributable)|[,&])$", re.IGNORECASE)
_TOTAL = re.compile(r"^total\b|(?:合计|总计|总额)$")
_PERIOD = re.compile(
    r"\b(?:ended|ending|as of|fiscal)\b|\b(?:19|20)\d\d\b|\bin (?:thousands|millions|billions)\b|年度?$|单位",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(frozen=True, slots=True)
class Token:
    """A number of a row. `start` to `end` are grid columns of the number itself, without currency sign or bracket."""

    start: int
    end: int
    text: str
    number: PrintedNumber
    cell: Cell

    @property
    def is_year(self) -> bool:
        return bool(_YEAR.fullmatch(self.cell.text.strip()))


@dataclass(frozen=True, slots=True)
class Row:
    """A row as read.

    Attributes:
        label: first text of the row as printed, joined with a label broken over the row above.
        key: `label` normalised.
        section, section_key: heading in force, as printed and normalised; empty where none is.
        tokens: its numbers, left to right.
    """

    index: int
    label: str
    key: str
    section: str
    section_key: str
    tokens: tuple[Token, ...]

    @property
    def is_data(self) -> bool:
        """It prints at least one number that is not a year heading a column."""
        return any(not token.is_year for token in self.tokens)


def read_rows(table: Table) -> tuple[Row, ...]:
    """All rows of `table`, each with the heading it stands under."""
    rows: list[Row] = []
    section = section_key = ""
    broken: Cell | None = None  # a label without figures that may go on in the next row
    for index, cells in enumerate(table.rows):
        cell, tokens = _label_cell(cells), _tokens(cells)
        label = " ".join(cell.text.split()) if cell else ""
        alone = cell is not None and sum(1 for other in cells if other.text) == 1
        if cell and broken and broken.column == cell.column and _goes_on(broken.text, label):
            label = f"{' '.join(broken.text.split())} {label}"
        key = normalise_label(label)
        if alone and not _PERIOD.search(label):
            section, section_key, broken = label, key, cell
            rows.append(Row(index, label, key, "", "", tokens))
            continue
        rows.append(Row(index, label, key, section, section_key, tokens))
        if label:
            broken = None
        if any(not token.is_year for token in tokens) and _TOTAL.search(key):
            section = section_key = ""
    return tuple(rows)


def _goes_on(above: str, label: str) -> bool:
    """A label broken over two rows: the first ends in a connector, or the second begins in lower case."""
    return not above.rstrip().endswith((":", "：")) and bool(_CONNECTOR.search(above) or label[:1].islower())


def _label_cell(cells: tuple[Cell, ...]) -> Cell | None:
    """The first cell with letters, provided no number stands left of it."""
    for cell in cells:
        if not cell.text:
            continue
        if is_currency_sign(cell.text) or parse_number(cell.text) is not None:
            return None
        if _LETTERS.search(cell.text):
            return cell
    return None


def _tokens(cells: tuple[Cell, ...]) -> tuple[Token, ...]:
    tokens: list[Token] = []
    prefix = ""
    for cell in cells:
        text = cell.text
        if not text:
            continue
        if text in _CLOSING and tokens:
            last = tokens[-1]
            number = parse_number(last.text + text)
            if number is not None:
                tokens[-1] = Token(last.start, last.end, last.text + text, number, last.cell)
            continue
        if is_currency_sign(text) or text == "(":
            prefix = text.replace(" ", "")
            continue
        joined = prefix + text
        number = parse_number(joined)
        if number is not None:
            tokens.append(Token(cell.column, cell.end_column, joined, number, cell))
        prefix = ""
    return tuple(tokens)
