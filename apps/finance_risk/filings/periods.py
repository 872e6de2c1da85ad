"""Dates, durations and the periods that columns of a statement stand for."""

from __future__ import annotations

import calendar
import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Literal

from apps.finance_risk.messages import Message

Kind = Literal["instant", "duration"]

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_MONTHS |= {name[:3]: number for name, number in _MONTHS.items()} | {"sept": 9}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_YEAR = r"(?:19|20)\d\d"

_DATES = (
    re.compile(rf"\b(?P<m>{_MONTH})\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s*,?\s*(?P<y>{_YEAR})(?!\d)", re.IGNORECASE),
    re.compile(rf"\b(?P<d>\d{{1,2}})\s+(?P<m>{_MONTH})\.?\s*,?\s+(?P<y>{_YEAR})(?!\d)", re.IGNORECASE),
    re.compile(rf"(?<!\d)(?P<y>{_YEAR})[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}})(?!\d)"),
    re.compile(rf"(?<!\d)(?P<m>\d{{1,2}})/(?P<d>\d{{1,2}})/(?P<y>{_YEAR})(?!\d)"),
    re.compile(rf"(?<!\d)(?P<y>{_YEAR})\s*年\s*(?P<m>\d{{1,2}})\s*月\s*(?P<d>\d{{1,2}})\s*日"),
)
_MONTH_DAYS = (
    re.compile(rf"\b(?P<m>{_MONTH})\.?\s+(?P<d>\d{{1,2}})(?!\d)", re.IGNORECASE),
    re.compile(r"(?<!\d)(?P<m>\d{1,2})\s*月\s*(?P<d>\d{1,2})\s*日"),
)
_YEARS = re.compile(rf"(?<![\d,.$/-]){_YEAR}(?![\d,/-]|\.\d)")
# A Chinese accounting year is the calendar year (Accounting Law of the PRC, art. 11), so these name their last day.
_CHINESE_YEARS = re.compile(r"(?<!\d)(?P<y>(?:19|20)\d\d)\s*年(?:度|\s*1\s*[-—–至]\s*(?P<m>\d{1,2})\s*月)")
_CHINESE_DIGITS = str.maketrans("〇零一二三四五六七八九", "00123456789")
_CHINESE_YEAR = re.compile(r"[二一][〇零一二三四五六七八九]{3}(?=\s*年)")

_DURATIONS = (  # the first that is found wins: longer wording before shorter
    (re.compile(r"\b(?:twelve|12)[\s-]+months?\b", re.I), 12),
    (re.compile(r"\b(?:nine|9)[\s-]+months?\b|1\s*[-—–至]\s*9\s*月|前三季度", re.I), 9),
    (re.compile(r"\b(?:six|6)[\s-]+months?\b|1\s*[-—–至]\s*6\s*月|半年度", re.I), 6),
    (re.compile(r"\b(?:three|3)[\s-]+months?\b|\bquarters?\b|1\s*[-—–至]\s*3\s*月|[一二三四]季度", re.I), 3),
    (re.compile(r"\b(?:fifty[\s-]?(?:two|three)|5[23])[\s-]+weeks?\b", re.I), 12),
    (re.compile(r"\b(?:thirty[\s-]?nine|forty|39|40)[\s-]+weeks?\b", re.I), 9),
    (re.compile(r"\b(?:twenty[\s-]?(?:six|seven)|2[67])[\s-]+weeks?\b", re.I), 6),
    (re.compile(r"\b(?:thirteen|fourteen|1[34])[\s-]+weeks?\b", re.I), 3),
    (re.compile(r"\byears?\b|\bfiscal\b|\bannual\b|年度|1\s*[-—–至]\s*12\s*月|(?:19|20)\d\d\s*年(?!\s*\d)", re.I), 12),
)


@dataclass(frozen=True, slots=True)
class Period:
    """What a column of a statement stands for.

    Attributes:
        kind: a balance at an instant, or a flow over a duration.
        end: the instant or the last day; None where only the fiscal year is known.
        months: length of a duration (52 or 53 weeks are 12); None for an instant.
        fiscal_year: the year as printed where the column names only that.
        basis: how the period was read where the column does not print it in full.
    """

    kind: Kind
    end: date | None
    months: int | None = None
    fiscal_year: int | None = None
    basis: Message | None = None

    @property
    def key(self) -> tuple[str, date | None, int | None, int | None]:
        """Equal for columns of the same period, however each was read."""
        return (self.kind, self.end, self.months, None if self.end else self.fiscal_year)

    @property
    def sort_key(self) -> tuple[date, int]:
        """Later periods are larger; a year without a date counts as its last day."""
        return (self.end or date(self.fiscal_year or 1, 12, 31), self.months or 0)

    def describe(self, language: str = "en") -> str:
        when = self.end.isoformat() if self.end else f"FY{self.fiscal_year}"
        if self.kind == "instant":
            return when
        return f"{self.months} months to {when}" if language == "en" else f"截至 {when} 的 {self.months} 个月"


def normalise(text: str) -> str:
    """NFKC with Chinese year digits as Arabic ones; white space collapsed."""
    text = " ".join(unicodedata.normalize("NFKC", text).split())
    return _CHINESE_YEAR.sub(lambda match: match.group().translate(_CHINESE_DIGITS), text)


def find_dates(text: str) -> list[date]:
    """Full dates in `text`, in order, each once."""
    found: dict[date, int] = {}
    for pattern in _DATES:
        for match in pattern.finditer(text):
            parsed = _date(match["y"], match["m"], match["d"])
            if parsed is not None:
                found.setdefault(parsed, match.start())
    return sorted(found, key=found.__getitem__)


def find_chinese_year_end(text: str) -> date | None:
    """The last day of "2024年度" or "2024年1-9月"; None where `text` names no such period or several."""
    ends = {
        in_year(int(match["y"]), month, 31)
        for match in _CHINESE_YEARS.finditer(text)
        if 1 <= (month := int(match["m"] or 12)) <= 12
    }
    return ends.pop() if len(ends) == 1 else None


def find_years(text: str) -> list[int]:
    """Distinct years in `text`, in order."""
    return list(dict.fromkeys(int(match.group()) for match in _YEARS.finditer(text)))


def find_month_days(text: str) -> list[tuple[int, int]]:
    """Distinct `(month, day)` pairs in `text`, in order."""
    pairs = [(_month(m["m"]), int(m["d"])) for pattern in _MONTH_DAYS for m in pattern.finditer(text)]
    return list(dict.fromkeys(pair for pair in pairs if 1 <= pair[0] <= 12 and 1 <= pair[1] <= 31))


def find_months(text: str) -> int | None:
    """Length in months of the duration that `text` names, or None."""
    return next((months for pattern, months in _DURATIONS if pattern.search(text)), None)


def in_year(year: int, month: int, day: int) -> date:
    """`month`/`day` of `year`; the last of February follows the leap year."""
    last = calendar.monthrange(year, month)[1]
    at_end = day >= last or (month == 2 and day >= 28)
    return date(year, month, last if at_end else day)


def is_month_end(day: date) -> bool:
    """Whether `day` is the last of its month."""
    return day.day == calendar.monthrange(day.year, day.month)[1]


def _date(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), _month(month), int(day))
    except ValueError:
        return None


def _month(text: str) -> int:
    return int(text) if text.isdigit() else _MONTHS[text.lower()]
