"""Numbers in a text, in digits or in words, as values that can be compared.

"1,250.0", "１２５０" and 一千二百五十 are one value. A minus sign is not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from core.metrics.segmentation import half_width
from core.text.spans import Span


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with what it counts.

    Attributes:
        value: with 万, "million" and the like multiplied out.
        unit: a name of ours ("day", "percent", "usd"), "" where none is recognised.
        certain: whether it is surely meant as a number; a lone 一 or "one" may be something else.
    """

    value: Decimal
    unit: str
    span: Span
    certain: bool = True


_UNITS = {
    "percent": "% ‰ percent per\u00a0cent pct 个百分点",
    "year": "years year yrs yr 年",
    "month": "months month 个月 月",
    "week": "weeks week 周 星期 个星期",
    "day": "days day 天 日 号",
    "hour": "hours hour hrs 小时 个小时 个钟头 时 点",
    "minute": "minutes minute mins min 分钟",
    "second": "seconds second secs sec 秒 秒钟",
    "usd": "$ us$ usd dollars dollar 美元 美金",
    "cny": "¥ rmb cny yuan 元 块 人民币 块钱",
    "eur": "€ eur euros euro 欧元",
    "gbp": "£ gbp pounds 英镑",
    "jpy": "jpy yen 日元 日圆",
    "hkd": "hk$ hkd 港元 港币",
    "mg": "mg 毫克",
    "g": "grams gram 克",
    "kg": "kg kilograms kilogram 公斤 千克",
    "ml": "ml 毫升",
    "km": "km kilometres kilometers 公里 千米",
    "metre": "metres meters metre meter 米",
}
_UNIT_OF = {word: name for name, words in _UNITS.items() for word in words.split(" ")}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "bn": 10**9, "mn": 10**6} | {
    "千": 10**3,
    "万": 10**4,
    "百万": 10**6,
    "千万": 10**7,
    "亿": 10**8,
    "万亿": 10**12,
    "萬": 10**4,
    "億": 10**8,
}
_MONTHS = "january february march april may june july august september october november december".split()  # noqa: SIM905
_WORDS = {
    word: value
    for value, word in enumerate(
        (
            *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
            *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
        )
    )
} | {
    word: 20 + 10 * step
    for step, word in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"))
}
_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_PLACES = {"十": 10, "百": 100, "千": 1000}
_BLOCKS = {"万": 10**4, "亿": 10**8, "萬": 10**4, "億": 10**8}
_NUMERALS = "".join((*_DIGITS, *_PLACES, *_BLOCKS))


def _alternatives(words: dict[str, object] | dict[str, str] | dict[str, int]) -> str:
    """Longest first; a word of letters must end where it ends."""
    ordered = sorted(words, key=len, reverse=True)
    return "|".join(
        re.escape(word) + (r"(?![a-z])" if word[-1].isascii() and word[-1].isalpha() else "") for word in ordered
    )


_UNIT_PATTERN = _alternatives(_UNIT_OF)
_TAIL = rf"(?:\s?-?(?P<scale>{_alternatives(_SCALES)}))?(?:\s?-?(?P<unit>{_UNIT_PATTERN}))?"
_QUANTITY = re.compile(
    rf"(?P<prefix>us\$|hk\$|[$¥€£]|百分之)?\s?"
    rf"(?:(?P<figure>(?<![\d.,])\d{{1,3}}(?:,\d{{3}}){{1,12}}(?:\.\d{{1,40}})?(?!\d)|\d{{1,40}}(?:\.\d{{1,40}})?)"
    rf"|(?P<numeral>[{_NUMERALS}]{{1,40}}(?:点[{''.join(_DIGITS)}]{{1,40}})?)"
    rf"|\b(?P<word>(?:{'|'.join(_WORDS)})(?:-(?:{'|'.join(list(_WORDS)[1:10])}))?)\b){_TAIL}"
)
_MONTH_NAME = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in _MONTHS)
_MONTH = re.compile(
    rf"\b(?P<month>{_MONTH_NAME})\b\.?(?=\s*\d)|(?<=\d)(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<after>{_MONTH_NAME})\b"
)


def find_quantities(text: str) -> list[Quantity]:
    """Every number of `text`, in order of kind and place. A date gives its year, month and day."""
    plain = half_width(text).lower()
    found = [quantity for match in _QUANTITY.finditer(plain) if (quantity := _quantity(match))]
    for match in _MONTH.finditer(plain):
        name = match["month"] or match["after"]
        number = next(index for index, month in enumerate(_MONTHS, start=1) if month.startswith(name[:3]))
        found.append(Quantity(Decimal(number), "month", Span(*match.span("month" if match["month"] else "after"))))
    return found


def _quantity(match: re.Match[str]) -> Quantity | None:
    figure, numeral, word = match["figure"], match["numeral"], match["word"]
    start = match.start("prefix" if match["prefix"] else "figure" if figure else "numeral" if numeral else "word")
    unit = _UNIT_OF.get(match["unit"] or "", "")
    prefix = match["prefix"]
    if prefix:
        unit = "percent" if prefix == "百分之" else _UNIT_OF[prefix]
    value = Decimal(figure.replace(",", "")) if figure else _from_numeral(numeral) if numeral else _from_word(word)
    if value is None:
        return None
    certain = bool(figure or unit) or len(numeral or word.split("-")) > 1 or (bool(word) and value > 1)
    scaled = (value * _SCALES.get(match["scale"] or "", 1)).normalize()
    return Quantity(scaled, unit, Span(start, match.end()), certain)


def _from_word(word: str) -> Decimal | None:
    first, _, second = word.partition("-")
    if second and (_WORDS[first] < 20 or _WORDS[second] > 9):
        return None
    return Decimal(_WORDS[first] + (_WORDS[second] if second else 0))


def _from_numeral(numeral: str) -> Decimal | None:
    """The value of Chinese numerals, written out (一千二百) or digit by digit (二〇二四); None where it is neither."""
    whole, _, fraction = numeral.partition("点")
    if all(character in _DIGITS for character in whole):
        value = Decimal("".join(str(_DIGITS[character]) for character in whole))
    elif any(character in _DIGITS or character == "十" for character in whole):
        value = Decimal(_written_out(whole))
    else:
        return None
    return value + Decimal("0." + "".join(str(_DIGITS[character]) for character in fraction)) if fraction else value


def _written_out(numeral: str) -> int:
    total = block = digit = 0
    for character in numeral:
        if character in _DIGITS:
            digit = _DIGITS[character]
        elif character in _PLACES:
            block += (digit or 1) * _PLACES[character]
            digit = 0
        else:
            scale = _BLOCKS[character]
            below = block + digit
            total = (total + below) * scale if total < scale else total + below * scale  # 一万亿 is 一万 times 亿
            block = digit = 0
    return total + block + digit
