"""Form, company and date read from the first page, against the cover-page tags (`dei:`) of the same filing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from apps.finance_risk.filings import read_filing
from apps.finance_risk.filings.inline_xbrl import strip_inline_xbrl, tagged_texts
from apps.finance_risk.filings.periods import find_dates, find_month_days, find_years, normalise
from core.files import decode_text

_SPELLINGS = {"corp": "corporation", "co": "company", "cos": "companies"}


def compare_cover(markup: bytes, name: str) -> Iterator[tuple[str, str, str | None]]:
    """`(field, tagged, read)` for each cover tag the filing carries; `read` is None where nothing was read."""
    text = decode_text(markup, name)
    tags = tagged_texts(text, name)
    cover = read_filing(strip_inline_xbrl(text, name).encode("utf-8"), name).cover
    if form := tags.get("DocumentType"):
        yield "form", form.upper(), cover.form.value if cover.form else None
    if company := tags.get("EntityRegistrantName"):
        yield "company", _folded(company), _folded(cover.company.value) if cover.company else None
    if end := _tagged_date(tags):
        yield "period_end", end.isoformat(), cover.period_end.value if cover.period_end else None


def _folded(name: str) -> str:
    """A registrant's name without what the tag, which follows the register, spells otherwise than the page."""
    words = re.sub(r"[^a-z0-9]+", " ", name.lower()).split()
    return " ".join(_SPELLINGS.get(word, word) for word in words if word != "the")


def _tagged_date(tags: dict[str, str]) -> date | None:
    """The period end of the report; a tag may hold only month and day, and the year stands in another."""
    text = normalise(tags.get("DocumentPeriodEndDate", ""))
    if dates := find_dates(text):
        return dates[0]
    days, years = find_month_days(text), find_years(text)
    return date(years[0], *days[0]) if days and years else None
