"""Finding and masking personal data in Chinese and English text.

Found: e-mail addresses, IBANs, payment card numbers, Chinese resident identity numbers, telephone numbers, secrets
(PIN, passcode, CVV, one-time code, password) told after their name, names told after "my name is" / "我叫", and any
other run of nine or more digits. Not found: names and postal addresses in running text, and whatever is spelt out
in words. Masking prefers one number too many to one too few: a card number that fails its checksum is most often a
mistyped card number, so it is masked too, as a plain `number`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from core.text import Span


@dataclass(frozen=True, slots=True)
class PersonalData:
    """One find: its kind and where it stands."""

    kind: str
    span: Span


@dataclass(frozen=True, slots=True)
class Masked:
    """A text whose personal data was replaced by `[KIND]`, and what was replaced (spans into the original)."""

    text: str
    found: tuple[PersonalData, ...]


_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,6}")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?![A-Za-z0-9])", re.I)
_DIGITS = re.compile(r"(?<![\d.,])\+?\d(?:[ \-()]{0,2}\d){6,30}(?![\d]|[.,]\d)")
_CHINESE_ID = re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)")
_SECRET = re.compile(
    r"(?:pin|pass ?code|password|cvv2?|cvc|security code|one[- ]time code|otp|密码|口令|验证码|安全码)"
    r"(?: number| code|码)?\s{0,3}(?:(?:is|was|are|are now|is now|were)\b|[:=：]|是|为|叫)?\s{0,3}[\"'“‘]?"
    r"(?P<secret>(?=[^\s，。,;；\"'”’]{0,40}\d)[^\s，。,;；\"'”’\u4e00-\u9fff]{3,40})",
    re.I,
)
_ENGLISH_NAME = re.compile(r"\b[Mm]y (?:full )?name(?: is|'s|’s)\s+(?P<name>[A-Z][\w'’-]+(?:\s+[A-Z][\w'’-]+){0,3})")
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔"
    "钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_CHINESE_NAME = re.compile(
    rf"我(?:叫|名叫|的名字(?:是|叫)|姓名(?:是|为)?)\s?(?P<name>[{_SURNAMES}][\u4e00-\u9fff]{{1,2}})(?=[，。,.！!；;\s]|$)"
)
_MOBILE_CHINA = re.compile(r"(?:\+?86|0086)?1[3-9]\d{9}")

_MARK = re.compile(r"\[(?:EMAIL|SECRET|IBAN|IDENTITY_NUMBER|CARD_NUMBER|PHONE|NUMBER|NAME)\]")

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECK = "10X98765432"


def find_personal_data(text: str) -> list[PersonalData]:
    """All finds in `text`, in order, without overlaps; where two detectors meet, the earlier of the list wins."""
    found: list[PersonalData] = []  # in order and without overlaps, so that only neighbours can meet
    for detector in _DETECTORS:
        for item in detector(text):
            place = bisect_left(found, item.span, key=lambda other: other.span)
            if not any(item.span.overlaps(other.span) for other in found[max(0, place - 1) : place + 1]):
                found.insert(place, item)
    return found


def mask(text: str) -> Masked:
    """`text` with every find replaced by its kind in capitals and brackets, e.g. `[EMAIL]`. Idempotent."""
    found = find_personal_data(text)
    pieces: list[str] = []
    position = 0
    for item in found:
        pieces += [text[position : item.span.start], f"[{item.kind.upper()}]"]
        position = item.span.end
    return Masked("".join([*pieces, text[position:]]), tuple(found))


def without_masks(text: str) -> str:
    """A masked text without its `[KIND]` marks, for a search that they would only mislead."""
    return " ".join(_MARK.sub(" ", text).split())


def luhn_valid(digits: str) -> bool:
    """Whether `digits` carry the check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def chinese_id_valid(number: str) -> bool:
    """Whether the 18 characters carry the check character of GB 11643-1999."""
    total = sum(weight * int(digit) for weight, digit in zip(_ID_WEIGHTS, number[:17], strict=True))
    return _ID_CHECK[total % 11] == number[17].upper()


def _emails(text: str) -> Iterable[PersonalData]:
    return (PersonalData("email", Span(*match.span())) for match in _EMAIL.finditer(text))


def _secrets(text: str) -> Iterable[PersonalData]:
    return (PersonalData("secret", Span(*match.span("secret"))) for match in _SECRET.finditer(text))


def _ibans(text: str) -> Iterable[PersonalData]:
    return (PersonalData("iban", Span(*match.span())) for match in _IBAN.finditer(text) if _has_iban_shape(match[0]))


def _has_iban_shape(candidate: str) -> bool:
    """An IBAN is 15 to 34 characters and mostly digits; words such as 'ab12 this that them' are not."""
    characters = candidate.replace(" ", "")
    return 15 <= len(characters) <= 34 and sum(c.isdigit() for c in characters) >= len(characters) / 2


def _chinese_ids(text: str) -> Iterable[PersonalData]:
    for match in _CHINESE_ID.finditer(text):
        if chinese_id_valid(match[0]):
            yield PersonalData("identity_number", Span(*match.span()))


def _numbers(text: str) -> Iterable[PersonalData]:
    for match in _DIGITS.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        kind = _kind_of_number(match[0], digits)
        if kind:
            yield PersonalData(kind, Span(*match.span()))


def _kind_of_number(written: str, digits: str) -> str | None:
    if 13 <= len(digits) <= 19 and luhn_valid(digits):
        return "card_number"
    international = written.startswith(("+", "00")) and 8 <= len(digits) <= 17
    if international or _MOBILE_CHINA.fullmatch(digits) or (written.startswith("0") and 9 <= len(digits) <= 12):
        return "phone"
    return "number" if len(digits) >= 9 else None


def _names(text: str) -> Iterable[PersonalData]:
    for pattern in (_ENGLISH_NAME, _CHINESE_NAME):
        for match in pattern.finditer(text):
            yield PersonalData("name", Span(*match.span("name")))


_DETECTORS: tuple[Callable[[str], Iterable[PersonalData]], ...] = (
    _emails,
    _secrets,
    _ibans,
    _chinese_ids,
    _numbers,
    _names,
)
