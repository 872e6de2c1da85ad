"""Tables as CSV that a spreadsheet opens without running anything in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", "|", "%")
_BYTE_ORDER_MARK = "\ufeff"  # Excel takes a CSV without one for the local encoding


def to_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """`header` and `rows` as CSV. A cell that a spreadsheet would take for a formula begins with an apostrophe."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
    writer.writerow([harmless(name) for name in header])
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return _BYTE_ORDER_MARK + stream.getvalue()


def harmless(cell: str) -> str:
    """`cell` as text for a spreadsheet, which runs what begins like a formula, also after blanks."""
    return f"'{cell}" if cell.lstrip(" \u00a0\u3000").startswith(_FORMULA_STARTS) else cell
