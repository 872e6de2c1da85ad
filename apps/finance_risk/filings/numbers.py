"""Numbers as statements print them: separators, currency signs, parentheses for minus, a dash for nothing."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

RAISED = "\u202f"
"""Stands before a raised mark in rendered text (a narrow space, so that it reads well)."""

_NIL = frozenset(("-", "--", "---", "—", "——", "–", "―", "−", "nil", "无"))
CURRENCY_SIGNS = frozenset(("$", "US$", "HK$", "C$", "A$", "¥", "€", "£", "RMB", "USD", "CNY", "EUR", "GBP", "HKD"))
_SIGN = r"(?:US\$|HK\$|C\$|A\$|RMB|USD|CNY|EUR|GBP|HKD|[$¥€£])"
_NUMBER = re.compile(
    rf"""(?P<minus>[-−–])?\s*(?P<currency>{_SIGN})?\s*(?P<open>\()?\s*(?P<currency2>{_SIGN})?\s*(?P<minus2>[-−–])?\s*
    (?P<digits>\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)
    \s*(?P<percent>%)?\s*(?P<close>\))?\s*(?P<percent2>%)?
    (?:\s*\((?:\d{{1,2}}|[a-z])\)|\s*[*†‡]+)?""",  # a footnote mark
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class PrintedNumber:
    """A number as printed, before any scale. `is_nil`: a dash, which statements print for zero."""

    value: Decimal
    is_nil: bool = False
    is_percent: bool = False
    is_parenthesised: bool = False
    currency: str | None = None


def parse_number(text: str) -> PrintedNumber | None:
    """The number that is the whole of `text`, or None.

    Separators must stand every three digits: "1,23" and "12,3456" are no numbers of a statement, and guessing what was
    meant would be a wrong figure; so would be one of two numbers in a cell. A raised mark is no part of the number.
    A dash, alone or after a currency sign, is zero.
    """
    text = unicodedata.normalize("NFKC", text.partition(RAISED)[0]).strip()
    if not text:
        return None
    bare = text.lstrip("$¥€£ ").rstrip("% ")
    if bare.lower() in _NIL:
        return PrintedNumber(Decimal(0), is_nil=True, is_percent=text.endswith("%"), currency=_leading_sign(text))
    match = _NUMBER.fullmatch(text)
    if match is None or (match["close"] and not match["open"]):
        return None
    value = Decimal(match["digits"].replace(",", ""))
    negative = bool(match["open"] or match["minus"] or match["minus2"])
    return PrintedNumber(
        -value if negative else value,
        is_percent=bool(match["percent"] or match["percent2"]),
        is_parenthesised=bool(match["open"]),
        currency=match["currency"] or match["currency2"],
    )


def is_currency_sign(text: str) -> bool:
    """`text` is a currency sign in a cell of its own, perhaps with the parenthesis that opens the number after it."""
    return unicodedata.normalize("NFKC", text).replace("(", "").strip() in CURRENCY_SIGNS


def _leading_sign(text: str) -> str | None:
    match = re.match(_SIGN, text)
    return match.group() if match else None
