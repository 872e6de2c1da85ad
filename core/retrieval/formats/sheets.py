"""Tables in files: CSV, TSV and Excel workbooks. Each row becomes a passage that names its columns."""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException

from core.errors import FileTooLarge, UnreadableFile
from core.files import decode_text
from core.retrieval.formats.office import BROKEN_ARCHIVE, open_office
from core.retrieval.formats.parsed import Parsed

MAX_CELLS = 2_000_000
_DELIMITERS = ",;\t|"


def read_csv(data: bytes, name: str) -> list[Parsed]:
    """Rows of a CSV or TSV file; the first row names the columns. Raises `UnreadableFile`, `FileTooLarge`."""
    text = decode_text(data, name)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=False)
        rows = _bounded(reader, name)
    except csv.Error as error:
        raise UnreadableFile(f"'{name}' is not a readable CSV file: {error}.", hint="Save it again.") from error
    return [Parsed(_rows_as_text(rows))]


def read_xlsx(data: bytes, name: str) -> list[Parsed]:
    """One part for each sheet with content. Dates are written in ISO form, percentages with their sign.

    A formula gives the value saved with it; one saved without a value is shown as a formula that was not calculated.

    Raises:
        UnreadableFile: broken, encrypted, or no workbook.
        FileTooLarge: more than `MAX_CELLS` cells, or see `core.retrieval.formats.office.open_office`.
    """
    open_office(data, name, "xl/workbook.xml").close()
    try:
        return list(_sheets(data, name))
    except (
        *(LookupError, TypeError, AttributeError),
        *(ParseError, DefusedXmlException, SyntaxError, AssertionError, *BROKEN_ARCHIVE),
    ) as error:
        raise UnreadableFile(
            f"'{name}' is a broken workbook ({type(error).__name__}).", hint="Open and save it again."
        ) from error


def _sheets(data: bytes, name: str) -> Iterator[Parsed]:
    import openpyxl

    values = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    formulas = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
    for sheet, source in zip(values.worksheets, formulas.worksheets, strict=True):
        sheet.reset_dimensions()  # the stated dimensions may be wrong in either direction
        source.reset_dimensions()
        pairs = zip(sheet.iter_rows(), source.iter_rows(), strict=True)
        rows = _bounded(([_shown(*cells) for cells in zip(*pair, strict=True)] for pair in pairs), name)
        text = _rows_as_text(rows)
        if text.strip():
            yield Parsed(text, sheet.title, {"sheet": sheet.title}, sheet.title)
    values.close()
    formulas.close()


def _bounded(rows: Iterable[list[str]], name: str) -> list[list[str]]:
    kept: list[list[str]] = []
    cells = 0
    for row in rows:
        cells += max(1, len(row))
        if cells > MAX_CELLS:
            raise FileTooLarge(f"'{name}' has more than {MAX_CELLS:,} cells.", hint="Split the file.")
        cleaned = [" ".join(cell.split()) for cell in row]
        if any(cleaned):
            kept.append(cleaned)
    return kept


def _shown(cell: Any, source: Any) -> str:
    value = cell.value
    if value is None:
        formula = source.value
        return f"(not calculated: {formula})" if isinstance(formula, str) and formula.startswith("=") else ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        if "%" in (cell.number_format or ""):
            return f"{value * 100:.10g} %"
        return f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else str(value)


def _rows_as_text(rows: list[list[str]]) -> str:
    """Blank-line separated records of `column: value` lines. Title lines above the column names stay lines."""
    if not rows:
        return ""
    filled = [sum(1 for cell in row if cell) for row in rows]
    head = 0
    while max(filled) > 1 and filled[head] == 1:
        head += 1
    titles = [next(cell for cell in row if cell) for row in rows[:head]]
    names = rows[head]
    records = []
    for row in rows[head + 1 :]:
        pairs = ((names[at] if at < len(names) else "", at, cell) for at, cell in enumerate(row) if cell)
        records.append("\n".join(f"{column or f'column {at + 1}'}: {cell}" for column, at, cell in pairs))
    if not records:  # nothing below the first row: its cells are all there is
        records = [" | ".join(cell for cell in names if cell)]
    return "\n\n".join([*titles, *records]) + "\n"


def _delimiter(text: str) -> str:
    """The mark that splits the first lines into most columns, most evenly; a comma where none does."""
    lines = [line for line in text.split("\n", 50)[:50] if line.strip()]
    best, best_score = ",", 0.0
    for mark in _DELIMITERS:
        widths = Counter(len(re.sub(r'"[^"]*"', "", line).split(mark)) for line in lines)
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        score = count / max(1, len(lines)) if width > 1 else 0.0
        if score > best_score:
            best, best_score = mark, score
    return best
