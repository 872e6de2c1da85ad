"""The product's own test set: short documents with what must, and what must not, be read from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from apps.finance_risk.evaluation.documents import case_document
from apps.finance_risk.filings import Fact, Filing
from apps.finance_risk.report import RiskReport, analyse_bytes
from core.errors import TriviumError

CASE_FILES = tuple(
    Path(__file__).with_name(name)
    for name in ("own_statements_en.yaml", "own_structure_en.yaml", "own_events_en.yaml", "own_zh.yaml")
)
_SCORE_TOLERANCE = Decimal("0.005")


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What went wrong in a case. `shows_wrong_figure`: a false number was given as good."""

    name: str
    failures: tuple[str, ...]
    shows_wrong_figure: bool

    @property
    def passed(self) -> bool:
        return not self.failures


@cache
def cases() -> tuple[dict[str, Any], ...]:
    """All cases, in file order."""
    return tuple(case for path in CASE_FILES for case in yaml.safe_load(path.read_text(encoding="utf-8")))


def run_case(case: dict[str, Any]) -> CaseResult:
    """Read the case's document and compare."""
    data, name = case_document(case)
    expected = case["expect"]
    try:
        report = analyse_bytes(data, name)
    except TriviumError as error:
        given = type(error).__name__
        failures = () if expected.get("error") == given else (f"raised {given}: {error.message}",)
        return CaseResult(case["name"], failures, False)
    if "error" in expected:
        return CaseResult(case["name"], (f"did not raise {expected['error']}",), bool(report.filing.facts))
    wrong = list(_wrong_figures(report.filing, expected))
    other = list(_other_failures(report, expected))
    return CaseResult(case["name"], tuple(wrong + other), bool(wrong))


def _wrong_figures(filing: Filing, expected: dict[str, Any]) -> Iterator[str]:
    """Figures given as good that differ from what is printed, or that must not be given at all."""
    for key, value in expected.get("facts", {}).items():
        fact = _find(filing, key)
        if fact is not None and not fact.is_suspect and fact.value != Decimal(str(value)):
            yield f"{key} is {fact.value}, not {value}"
    for key in (*expected.get("absent", ()), *expected.get("suspect", ())):
        fact = _find(filing, key)
        if fact is not None and not fact.is_suspect:
            yield f"{key} is given as {fact.value}"


def _other_failures(report: RiskReport, expected: dict[str, Any]) -> Iterator[str]:
    filing = report.filing
    for key in expected.get("facts", {}):
        fact = _find(filing, key)
        if fact is None or fact.is_suspect:
            yield f"{key} is {'refused' if fact else 'missing'}"
    for key in expected.get("suspect", ()):
        if _find(filing, key) is None:
            yield f"{key} is missing where it should be shown as refused"
    for key in expected.get("derived", ()):
        fact = _find(filing, key)
        if fact is None or not fact.is_derived:
            yield f"{key} is not marked as derived"
    for key, unit in expected.get("units", {}).items():
        fact = _find(filing, key)
        if fact is None or fact.unit != unit:
            yield f"{key} has unit {fact.unit if fact else None}, not {unit}"
    for key, note in expected.get("notes", {}).items():
        fact = _find(filing, key)
        if fact is None or note not in {message.key for message in fact.notes}:
            yield f"{key} lacks the note {note}"
    if "filing_notes" in expected and (keys := sorted({note.key for note in filing.notes})) != expected["filing_notes"]:
        yield f"notes {keys}, not {expected['filing_notes']}"
    yield from _cover_failures(filing, expected)
    yield from _score_failures(report, expected)
    yield from _event_failures(report, expected)


def _cover_failures(filing: Filing, expected: dict[str, Any]) -> Iterator[str]:
    if "items" in expected and (found := [item.number for item in filing.items]) != expected["items"]:
        yield f"items {found}, not {expected['items']}"
    cover = expected.get("cover", {})
    for name, value in cover.items():
        named = getattr(filing.cover, name)
        if (named.value if named else None) != value:
            yield f"{name} is {named.value if named else None}, not {value}"


def _score_failures(report: RiskReport, expected: dict[str, Any]) -> Iterator[str]:
    score = report.score
    if "score" in expected:
        target = Decimal(str(expected["score"]["value"]))
        if score.value is None or abs(score.value - target) > _SCORE_TOLERANCE:
            yield f"score {score.value}, not {target}"
        if score.zone != expected["score"]["zone"]:
            yield f"zone {score.zone}, not {expected['score']['zone']}"
    if "no_score" in expected:
        if score.value is not None:
            yield f"score {score.value} where there should be none"
        if expected["no_score"] not in {reason.key for reason in score.reasons}:
            yield f"no score for {[reason.key for reason in score.reasons]}, not {expected['no_score']}"


def _event_failures(report: RiskReport, expected: dict[str, Any]) -> Iterator[str]:
    if "events" not in expected:
        return
    found = {event.item: event for event in report.events.events}
    wanted = {event["item"]: event for event in expected["events"]}
    if set(found) != set(wanted):
        yield f"events {sorted(found)}, not {sorted(wanted)}"
    for item in found.keys() & wanted.keys():
        signals = sorted(signal.name for signal in found[item].signals)
        if "severity" in wanted[item] and found[item].severity != wanted[item]["severity"]:
            yield f"event {item} has severity {found[item].severity}, not {wanted[item]['severity']}"
        if "signals" in wanted[item] and signals != sorted(wanted[item]["signals"]):
            yield f"event {item} has signals {signals}, not {wanted[item]['signals']}"
        quotes = " ".join(evidence.quote for evidence in found[item].evidence)
        if "quote" in wanted[item] and wanted[item]["quote"] not in quotes:
            yield f"event {item} quotes “{quotes}”"


def _find(filing: Filing, key: str) -> Fact | None:
    """`name`, `name@2024-12-31` (an instant, or a year to it), `name@2024-12-31/9` (months), `name@FY2023`."""
    name, _, when = key.partition("@")
    end, _, months = when.partition("/")
    for fact in filing.facts:
        if fact.concept != name:
            continue
        period = fact.period
        printed = period.end.isoformat() if period.end else f"FY{period.fiscal_year}"
        wanted_months = int(months) if months else (None if period.kind == "instant" else 12)
        if not when or (printed == end and period.months == wanted_months):
            return fact
    return None
