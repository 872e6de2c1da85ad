"""Money, share counts, ratios and dates as they stand in a sentence, and whether words can be a party's name."""

from __future__ import annotations

import re
from collections.abc import Mapping

from apps.finance_risk.matters.declared import ValueKind
from core.text import Span

_FIGURE = r"\d{1,3}(?:[,，]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_VALUES: Mapping[str, re.Pattern[str]] = {
    "money": re.compile(
        rf"(?:人民币|US\$|HK\$|RMB|USD|[$¥€£])\s?(?:{_FIGURE})(?:\s?(?:million|billion|thousand|[百千万亿]*元|[百千万亿]+))?"
        rf"|(?:{_FIGURE})\s?[百千万亿]*(?:美元|港元|欧元|日元|元)|(?:{_FIGURE})\s(?:(?:million|billion)\s)?(?:dollars|euros)"
    ),
    "shares": re.compile(
        rf"(?:{_FIGURE})\s?[百千万亿]*股(?!东|权)|(?:{_FIGURE})\s(?:million\s)?(?:[a-z]+\s){{0,2}}shares"
    ),
    "ratio": re.compile(rf"(?:{_FIGURE})\s?(?:[%％]|per\s?cent\b|个百分点)"),
    "date": re.compile(
        rf"(?:19|20)\d\d\s?年\s?\d{{1,2}}\s?月(?:\s?\d{{1,2}}\s?日)?|(?:19|20)\d\d-\d\d?-\d\d?"
        rf"|{_MONTH}\s\d{{1,2}},\s(?:19|20)\d\d|\d{{1,2}}\s{_MONTH}\s(?:19|20)\d\d"
    ),
}
_NO_PARTY = frozenset(
    (
        *("股东", "银行", "法院", "原告", "被告", "子公司", "控股股东", "担保", "质押", "借款", "贷款", "合同", "协议"),
        *("agreement", "it", "they", "he", "she", "court", "bank", "lender", "lenders", "borrower", "shareholder"),
        *("plaintiff", "defendant", "board"),
    )
)


def find_values(kind: ValueKind, sentence: str) -> list[Span]:
    """Every value of a kind in a sentence; empty for parties, which have no form of their own."""
    pattern = _VALUES.get(kind)
    return [Span(*match.span()) for match in pattern.finditer(sentence)] if pattern else []


def fits(kind: ValueKind, span: Span, sentence: str) -> Span | None:
    """The whole value of `kind` that `span` points at: a figure within it stands for it; None where there is none."""
    if kind != "party":
        return next((value for value in find_values(kind, sentence) if value.overlaps(span)), None)
    words = span.of(sentence).strip()
    bare = re.sub(r"^(?:the|a|an)\s+", "", words, flags=re.IGNORECASE).casefold()
    taken = [value for other in ("money", "shares", "ratio", "date") for value in find_values(other, sentence)]  # type: ignore[arg-type]
    if not re.search(r"[^\W\d_]{2}", words) or any(value.overlaps(span) for value in taken):
        return None
    if re.fullmatch(r"[a-z' ]+", words) or bare in _NO_PARTY:
        return None
    return span
