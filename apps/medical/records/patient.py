"""Reading the patient's age and sex from a note, with the words that say so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from apps.medical.case import Sex
from core.text import Span

DAYS_PER_YEAR = 365.25
_YEARS_PER_UNIT = {
    **dict.fromkeys(("year", "yr", "y", "岁", "周岁"), 1.0),
    **dict.fromkeys(("month", "mo", "月", "个月", "月龄"), 1 / 12),
    **dict.fromkeys(("week", "wk", "周"), 7 / DAYS_PER_YEAR),
    **dict.fromkeys(("day", "天", "日", "日龄"), 1 / DAYS_PER_YEAR),
}
_NUMBERS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_NUMBER = rf"(?P<number>\d{{1,3}}(?:\.\d)?|{'|'.join(_NUMBERS)})"
_OLDEST_YEARS = 120.0

_EN_AGES = (
    re.compile(rf"\b{_NUMBER}[\s-]*(?P<unit>year|yr|month|mo|week|wk|day)s?[\s-]*old\b", re.IGNORECASE),
    re.compile(rf"\b{_NUMBER}\s*(?P<unit>y)(?:/?o\b|\.o\.)", re.IGNORECASE),
    re.compile(rf"\baged?\s*[:=]?\s*{_NUMBER}\s*(?P<unit>year|yr|y|month|mo|week|wk|day)?s?\b", re.IGNORECASE),
)
_ZH_AGES = (
    re.compile(
        r"年龄\s*[:：]?\s*(?P<number>\d{1,3}(?:\.\d)?)\s*(?P<unit>周岁|岁|个月|月龄|月|周|天|日龄)(?P<rest>\d{1,2}\s*个?月)?"
    ),
    re.compile(
        r"(?:男|女)(?:性|童|婴|孩)?(?:患者|患儿)?\s*[，,、;；]?\s*(?P<number>\d{1,3}(?:\.\d)?)\s*(?P<unit>周岁|岁|个月|月龄|月|周|天|日龄)"
        r"(?P<rest>\d{1,2}\s*个?月)?"
    ),
    re.compile(
        r"(?:患者|患儿|病人|先证者)[^。；\d]{0,12}?(?P<number>\d{1,3}(?:\.\d)?)\s*(?P<unit>周岁|岁|个月|月龄)(?P<rest>\d{1,2}\s*个?月)?"
        r"(?=[，,。；、\s男女]|$)"
    ),
    re.compile(r"(?P<number>\d{1,3})\s*(?P<unit>岁|个月|月龄|天)(?P<rest>\d{1,2}\s*个?月)?(?:男|女)"),
)
_EN_SEX = (
    re.compile(r"\b(?:sex|gender)\s*[:=]\s*(?P<word>female|male|f|m)\b", re.IGNORECASE),
    re.compile(
        r"\bold[\s,-]+(?:[a-z-]+\s+){0,4}?(?P<word>boy|girl|male|female|man|woman|gentleman|lady)\b", re.IGNORECASE
    ),
    re.compile(r"\b\d{1,3}\s*(?:yo|y/o|y\.o\.)\s*(?P<word>f|m|female|male|man|woman|boy|girl)\b", re.IGNORECASE),
    re.compile(r"\b(?:this|the|a|an|infant|newborn|baby)\s+(?P<word>boy|girl|female|male|man|woman)\b", re.IGNORECASE),
    re.compile(
        r"\b(?P<word>female|male)\s+(?:patient|infant|newborn|neonate|child|adolescent|proband|baby)\b", re.IGNORECASE
    ),
)
_ZH_SEX = (
    re.compile(r"性别\s*[:：]?\s*(?P<word>男|女)"),
    re.compile(r"(?:患者|患儿|病人|先证者|本例)\s*[，,、：:]?\s*(?:为|系|是)?\s*(?:一[名例位])?\s*(?P<word>男|女)"),
    re.compile(r"(?P<word>男|女)(?:性|童|婴|孩)?(?:患者|患儿)?\s*[，,、]?\s*\d{1,3}(?:\.\d)?\s*(?:岁|个月|月|天|周)"),
    re.compile(r"\d{1,3}\s*(?:岁|个月|月龄|天)(?:\d{1,2}\s*个?月)?\s*(?P<word>男|女)"),
    re.compile(r"(?:一[名例位]|足月|早产)(?P<word>男|女)"),
)
_FEMALE = frozenset(("girl", "female", "woman", "lady", "f", "女"))


@dataclass(frozen=True, slots=True)
class Age:
    """The patient's age when the note was written, and the words it was read from."""

    years: float
    span: Span

    def shift(self, offset: int) -> Age:
        return Age(self.years, self.span.shift(offset))


@dataclass(frozen=True, slots=True)
class SexReading:
    """The patient's sex and the words it was read from."""

    sex: Sex
    span: Span

    def shift(self, offset: int) -> SexReading:
        return SexReading(self.sex, self.span.shift(offset))


def read_age(text: str, language: str) -> Age | None:
    """The earliest statement of the patient's age; None where there is none.

    "At the age of 3" is when something happened and is not read.
    """
    found = [
        match
        for pattern in (_ZH_AGES if language == "zh" else _EN_AGES)
        for match in pattern.finditer(text)
        if not _is_past_event(text, match.start())
    ]
    for match in sorted(found, key=lambda m: m.start()):
        years = _years(match)
        if years <= _OLDEST_YEARS:
            return Age(years, Span(*match.span()))
    return None


def read_sex(text: str, language: str) -> SexReading | None:
    """The earliest statement of the patient's sex; None where there is none. Pronouns are not taken as one."""
    found = [match for pattern in (_ZH_SEX if language == "zh" else _EN_SEX) for match in pattern.finditer(text)]
    if not found:
        return None
    first = min(found, key=lambda m: m.start())
    sex = "female" if first.group("word").lower() in _FEMALE else "male"
    return SexReading(cast(Sex, sex), Span(*first.span()))


def _is_past_event(text: str, start: int) -> bool:
    return bool(
        re.search(
            r"(?:\bat|\bsince|\bfrom|\bwhen)\s+(?:the\s+)?$|\bof\s+$", text[max(0, start - 12) : start], re.IGNORECASE
        )
    )


def _years(match: re.Match[str]) -> float:
    words = match.group("number").lower()
    number = float(_NUMBERS.index(words) + 1) if words in _NUMBERS else float(words)
    years = number * _YEARS_PER_UNIT[(match.group("unit") or "year").lower()]
    rest = match.groupdict().get("rest")
    if rest:
        years += int(re.sub(r"\D", "", rest)) / 12
    return years
