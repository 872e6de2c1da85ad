"""Tables as CSV that a spreadsheet opens without running anything in it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", "|", "%")
_NUMBER = re.compile(r"[+\-－＋]?\d[\d,]*(?:\.\d+)?\s?[%％]?")
_BYTE_ORDER_MARK = "\ufeff"  # Excel takes a CSV without one for the local encoding


def to_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """`header` and `rows` as CSV. A cell that a spreadsheet would take for a formula begins with an apostrophe."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
    writer.writerow([harmless(name) for name in header])
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return _BYTE_ORDER_MARK + stream.getvalue()


def harmless(cell: str) -> str:
    """`cell` as text for a spreadsheet: behind an apostrophe, which it takes away again, where it may be a formula."""
    return f"'{cell}" if may_be_formula(cell) else cell


def may_be_formula(cell: str) -> bool:
    """Whether a spreadsheet would run `cell`: it begins like a formula, also after blanks, and is no number."""
    bare = cell.lstrip(" \u00a0\u3000")
    return bare.startswith(_FORMULA_STARTS) and _NUMBER.fullmatch(bare.rstrip(" ")) is None
