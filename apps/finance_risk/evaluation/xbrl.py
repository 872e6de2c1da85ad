"""Key lines read from the tables of a 10-K, against the inline-XBRL tags that its own company put on them.

The tags are taken out of the page before it is read. A key value is a number that carries a tag of one of our lines,
has no dimensions, belongs to a period of the primary statements, and stands in a table that also tags a total of a
primary statement (so that a number given only in a note is not asked of a reader of statements).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import yaml

from apps.finance_risk.filings import Fact, Filing, read_filing
from apps.finance_risk.filings.inline_xbrl import Context, TaggedNumber, strip_inline_xbrl, tagged_numbers
from core.files import decode_text

TAGS_FILE = Path(__file__).with_name("xbrl_tags.yaml")
_ANCHORS = frozenset(
    (
        "Assets",
        "LiabilitiesAndStockholdersEquity",
        "NetIncomeLoss",
        "ProfitLoss",
        "NetCashProvidedByUsedInOperatingActivities",
    )
)
_YEAR_DAYS = range(350, 381)


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A tagged value of one of our lines."""

    line: str
    context: Context
    value: Decimal


@dataclass(frozen=True, slots=True)
class Comparison:
    """A key value beside what was read: `given` is None where nothing was, `refused` where it was flagged."""

    key: KeyValue
    given: Decimal | None
    refused: bool

    @property
    def is_exact(self) -> bool:
        return self.given == self.key.value and not self.refused

    @property
    def is_wrong(self) -> bool:
        return self.given is not None and not self.refused and self.given != self.key.value


@cache
def line_tags() -> dict[str, tuple[str, ...]]:
    """Tags by line, best first."""
    entries = yaml.safe_load(TAGS_FILE.read_text(encoding="utf-8"))
    return {line: tuple(tags) for line, tags in entries.items()}


def key_values(numbers: tuple[TaggedNumber, ...]) -> tuple[KeyValue, ...]:
    """The key values among the tagged numbers of a 10-K."""
    face = _face_tables(numbers)
    by_tag: dict[tuple[str, Context], Decimal] = {}
    for number in numbers:
        if number.table in face:
            by_tag.setdefault((number.concept, number.context), number.value)
    contexts = {number.context for number in numbers if number.table in face}
    instants = {c for c in contexts if c.start is None and ("Assets", c) in by_tag}
    years = {
        c for c in contexts if c.days in _YEAR_DAYS and (("NetIncomeLoss", c) in by_tag or ("ProfitLoss", c) in by_tag)
    }
    return tuple(_key_values(by_tag, instants | years))


def compare(markup: bytes, name: str) -> tuple[tuple[Comparison, ...], Filing]:
    """Every key value of the filing in `markup` beside what is read from the page without its tags."""
    text = decode_text(markup, name)
    keys = key_values(tagged_numbers(text, name))
    stripped = strip_inline_xbrl(text, name)
    assert "<ix:" not in stripped and "us-gaap" not in stripped, "inline XBRL is left in the page"
    filing = read_filing(stripped.encode("utf-8"), name)
    given = {(fact.concept, fact.period.end, fact.period.months): fact for fact in filing.facts}
    return tuple(_compare(key, given) for key in keys), filing


def _compare(key: KeyValue, given: dict[tuple[str, date | None, int | None], Fact]) -> Comparison:
    months = None if key.context.start is None else 12
    fact = given.get((key.line, key.context.end, months))
    if fact is None:
        return Comparison(key, None, False)
    return Comparison(key, fact.value, fact.is_suspect)


def _face_tables(numbers: tuple[TaggedNumber, ...]) -> set[int]:
    """Tables that tag a total of a primary statement and at least five of our lines."""
    known = {tag for tags in line_tags().values() for tag in tags}
    tags: dict[int, set[str]] = {}
    for number in numbers:
        if number.table is not None:
            tags.setdefault(number.table, set()).add(number.concept)
    return {table for table, names in tags.items() if names & _ANCHORS and len(names & known) >= 5}


def _key_values(by_tag: dict[tuple[str, Context], Decimal], contexts: set[Context]) -> Iterator[KeyValue]:
    for line, tags in line_tags().items():
        for context in sorted(contexts, key=lambda c: (c.end, c.start or c.end)):
            value = next((by_tag[tag, context] for tag in tags if (tag, context) in by_tag), None)
            if value is not None:
                yield KeyValue(line, context, value)
