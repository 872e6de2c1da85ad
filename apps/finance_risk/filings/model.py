"""The nouns of a read filing: cover, items, facts, checks, and what stayed unknown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from apps.finance_risk.filings.grid import Table
from apps.finance_risk.filings.periods import Period
from apps.finance_risk.messages import Message, say
from core.evidence import CellEvidence, RuleEvidence, TextEvidence
from core.text.spans import Span

Status = Literal["sound", "unchecked", "suspect"]


@dataclass(frozen=True, slots=True)
class Check:
    """An accounting identity a fact took part in: its message key, and the numbers in `explanation`."""

    identity: str
    holds: bool
    explanation: str

    def title(self, language: str = "en") -> str:
        """The identity in words."""
        return say(self.identity).text(language)


@dataclass(frozen=True, slots=True)
class Fact:
    """One number of a filing.

    Attributes:
        concept: our line name, e.g. "total_liabilities".
        value: in units of `unit`, scale applied, sign as the line defines it.
        unit: ISO currency, "ISO/share" or "shares"; "?" where no currency is printed.
        scale: what one printed unit is worth.
        evidence: the cell it was read from, or the rule it was derived by.
        inputs: the cells that went into a derived value.
        checks: identities it took part in.
        notes: what a reader must know: how sign, scale or period were settled where the page did not say.
    """

    concept: str
    statement: str
    value: Decimal
    unit: str
    period: Period
    scale: Decimal
    evidence: CellEvidence | RuleEvidence
    inputs: tuple[CellEvidence, ...] = ()
    checks: tuple[Check, ...] = ()
    notes: tuple[Message, ...] = ()
    row_label: str = ""

    @property
    def is_derived(self) -> bool:
        return isinstance(self.evidence, RuleEvidence)

    @property
    def is_suspect(self) -> bool:
        return self.status == "suspect"

    @property
    def status(self) -> Status:
        """`suspect` if an identity it takes part in is broken, `sound` if one holds, else `unchecked`."""
        if any(not check.holds for check in self.checks):
            return "suspect"
        return "sound" if self.checks else "unchecked"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A line that could not be read, and why. `period` is None where it is unknown for all periods."""

    concept: str
    reason: Message
    period: Period | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A value of the cover with the words it was read from."""

    value: str
    evidence: TextEvidence


@dataclass(frozen=True, slots=True)
class Cover:
    """What the first page says. A field is None where the page does not say it.

    Attributes:
        form: "10-K", "10-Q", "8-K", "20-F", "annual-report-cn" …, with "/A" for an amendment.
        period_end: fiscal period end, or for an 8-K the date of report.
        industry_code: SIC code from a submission header.
    """

    form: Named | None = None
    company: Named | None = None
    period_end: Named | None = None
    industry_code: Named | None = None

    @property
    def end_date(self) -> date | None:
        return date.fromisoformat(self.period_end.value) if self.period_end else None

    @property
    def form_name(self) -> str:
        """The form without an amendment mark; empty where unknown."""
        return self.form.value.removesuffix("/A") if self.form else ""

    @property
    def is_annual(self) -> bool:
        return self.form_name in ("10-K", "20-F", "40-F", "annual-report-cn")


@dataclass(frozen=True, slots=True)
class Item:
    """A numbered part of a filing. `heading` spans its heading line, `span` the whole item with the heading.

    `part` is the Roman part ("I", "II") where the form numbers items anew in each part, else empty.
    """

    number: str
    part: str
    title: str
    heading: Span
    span: Span

    @property
    def body(self) -> Span:
        return Span(self.heading.end, self.span.end)


@dataclass(frozen=True, slots=True)
class StatementInfo:
    """A statement that was found, and what was read of its unit and columns."""

    statement: str
    title: str
    tables: tuple[int, ...]
    scale: Decimal
    scale_quote: str
    scale_basis: str
    currency: str | None
    columns: tuple[tuple[str, Period | None, Message | None], ...]  # heading, period, reason where there is no period


@dataclass(frozen=True, slots=True)
class Filing:
    """A filing as read. All spans are into `text`; `notes` say what was left out and why."""

    name: str
    text: str
    tables: tuple[Table, ...]
    cover: Cover
    items: tuple[Item, ...]
    statements: tuple[StatementInfo, ...]
    facts: tuple[Fact, ...]
    unknowns: tuple[Unknown, ...]
    notes: tuple[Message, ...] = ()

    def fact(self, concept: str, period: Period | None = None) -> Fact | None:
        """The fact of `concept` at `period`, or its latest one."""
        found = [f for f in self.facts if f.concept == concept and (period is None or f.period.key == period.key)]
        return max(found, key=lambda f: f.period.sort_key, default=None)
