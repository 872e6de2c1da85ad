"""What a statement says about its unit: "in millions, except per share data", 单位：万元."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from apps.finance_risk.filings.periods import normalise

_WORDS = {
    "thousand": 10**3,
    "thousands": 10**3,
    "million": 10**6,
    "millions": 10**6,
    "billion": 10**9,
    "billions": 10**9,
    "000": 10**3,
    "'000": 10**3,
    "000s": 10**3,
    "000's": 10**3,
}
_WORD = r"(?:thousands?|millions?|billions?)"
_ENGLISH = re.compile(
    rf"\b(?:in|of)\s+(?:(?:the\s+)?(?:U\.?\s?S\.?|United\s+States|US|Canadian|Hong\s+Kong)?\s*(?:dollars?|\$|RMB|euros?)\s*(?:in\s+)?)?"
    rf"(?P<word>{_WORD})\b|\b(?P<word2>{_WORD})\s+of\s+(?:U\.?S\.?\s+|United\s+States\s+)?(?:dollars|RMB|euros)"
    rf"|\bin\s+(?P<zeros>000'?s?)\b|(?:US\$|HK\$|RMB|[$¥€£])\s?(?P<zeros2>'?000'?s?)(?![\d,.])"
    rf"|(?:US\$|HK\$|RMB|[$¥€£])\s+(?P<word3>{_WORD})\b",
    re.IGNORECASE,
)
_SHARES = re.compile(
    rf"(?<!per[ -])\bshares?\b(?![- ]?(?:price|based))[^.;()]{{0,60}}?\bin\s+(?P<word>{_WORD})\b", re.IGNORECASE
)
_SHARES_EXCEPTED = re.compile(r"(?<!per[ -])\bshares?\b(?!\s*,?\s*which)", re.IGNORECASE)
_CHINESE = re.compile(
    r"(?:单位|货币单位|金额单位|人民币|币种)[^。\n]{0,12}?(?P<unit>亿元|百万元|万元|千元|元)|人民币(?P<unit2>亿|百万|万|千)元?"
)
_CHINESE_SCALES = {"亿": 10**8, "百万": 10**6, "万": 10**4, "千": 10**3}
_CURRENCIES = (
    (re.compile(r"C\$|canadian dollars?|加元", re.I), "CAD"),
    (re.compile(r"HK\$|hong kong dollars?|港[元币]", re.I), "HKD"),
    (re.compile(r"A\$|australian dollars?|澳元", re.I), "AUD"),
    (re.compile(r"RMB|renminbi|人民币|CNY|(?<![美港日欧加澳])元", re.I), "CNY"),
    (re.compile(r"US\$|U\.S\. dollars?|united states dollars?|美元|\bUSD\b", re.I), "USD"),
    (re.compile(r"€|\beuros?\b|\bEUR\b|欧元", re.I), "EUR"),
    (re.compile(r"£|pounds? sterling|\bGBP\b|英镑", re.I), "GBP"),
    (re.compile(r"\byen\b|日元|\bJPY\b", re.I), "JPY"),
    (re.compile(r"\$|\bdollars?\b", re.I), "USD"),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """What one printed unit is worth.

    Attributes:
        money, shares: multipliers of amounts and of share counts; per-share amounts are never scaled.
        quote: the words that say so; empty where nothing does.
        basis: "stated" beside the table, "sibling" (another statement of the filing says so), or "none".
    """

    money: Decimal
    shares: Decimal
    quote: str
    basis: str

    @property
    def is_stated(self) -> bool:
        return self.basis != "none"


UNSTATED = Scale(Decimal(1), Decimal(1), "", "none")


def read_scale(text: str) -> Scale | None:
    """The scale that a caption, header or line of text states, or None."""
    text = normalise(text)
    match = _ENGLISH.search(text)
    if match:
        word = next(group for group in match.groups() if group)
        money = Decimal(_WORDS[word.lower()])
        return Scale(money, _share_scale(text, money), text, "stated")
    match = _CHINESE.search(text)
    if match:
        unit = match["unit"] or match["unit2"]
        money = Decimal(_CHINESE_SCALES.get(unit.removesuffix("元"), 1))
        return Scale(money, Decimal(1), text, "stated")
    return None


def read_label_scale(label: str) -> Decimal | None:
    """The multiplier that a row label or heading gives itself: "Weighted average shares (in thousands)"."""
    match = re.search(rf"\(\s*(?:shares?\s+)?in\s+(?P<word>{_WORD})\b", label, re.IGNORECASE)
    return Decimal(_WORDS[match["word"].lower()]) if match else None


def read_currency(text: str) -> str | None:
    """ISO code of the currency that `text` names; a bare "$" is the US dollar (Regulation S-X, rule 3-20)."""
    text = normalise(text)
    return next((code for pattern, code in _CURRENCIES if pattern.search(text)), None)


def _share_scale(text: str, money: Decimal) -> Decimal:
    """Shares follow the amounts unless they are given a scale of their own, or excepted from it."""
    own = _SHARES.search(text)
    if own:
        return Decimal(_WORDS[own["word"].lower()])
    exception = re.split(r"\bexcept(?:ing|\s+for)?\b|\bother than\b", text, maxsplit=1, flags=re.IGNORECASE)
    if len(exception) == 2 and _SHARES_EXCEPTED.search(exception[1]):
        return Decimal(1)
    return money
