"""From a file to everything that is known of its risk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from apps.finance_risk.events import EventReading, find_events
from apps.finance_risk.filings import Filing, load_filing, read_filing
from apps.finance_risk.matters import MatterReading, find_matters
from apps.finance_risk.scores import Score, altman_z_double_prime
from core.text import Language, detect_language

_SAMPLED_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class RiskReport:
    """A filing with its events, score and matters."""

    filing: Filing
    events: EventReading
    score: Score
    matters: MatterReading

    @property
    def language(self) -> Language:
        """The language the filing is written in."""
        return detect_language(self.filing.text[:_SAMPLED_CHARACTERS])


def analyse(path: str | Path) -> RiskReport:
    """The report on the file at `path`. Raises what `load_filing` raises."""
    return _report(load_filing(path))


def analyse_bytes(data: bytes, name: str) -> RiskReport:
    """The report on the content `data` of a file called `name`. Raises what `read_filing` raises."""
    return _report(read_filing(data, name))


def _report(filing: Filing) -> RiskReport:
    return RiskReport(filing, find_events(filing), altman_z_double_prime(filing), find_matters(filing))
