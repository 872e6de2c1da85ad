"""A report as plain JSON values, with every place a figure or claim came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apps.finance_risk.events import RiskEvent, severity_name
from apps.finance_risk.filings import Fact, Named, Period
from apps.finance_risk.filings.lines import line_title
from apps.finance_risk.matters import MatterReading
from apps.finance_risk.report.analysis import RiskReport
from apps.finance_risk.report.sheet import item_number
from apps.finance_risk.scores import Score
from apps.finance_risk.scores.altman import FORMULA
from core.evidence import CellEvidence, Evidence, TextEvidence
from core.text import Language

if TYPE_CHECKING:
    from core.inference.summary import Summary


def to_plain_data(report: RiskReport, language: Language, summary: Summary | None = None) -> dict[str, Any]:
    """The whole report, with `summary` where there is one.

    Numbers are decimal strings, so that no digit is lost; tables, rows, columns count from 1.
    """
    filing = report.filing
    cover = filing.cover
    return {
        "file": filing.name,
        "form": _named(cover.form),
        "company": _named(cover.company),
        "period_end": _named(cover.period_end),
        "industry_code": _named(cover.industry_code),
        "score": _score(report.score, language),
        "events": [_event(event, language) for event in report.events.events],
        "matters": _matters(report.matters, language),
        "event_notes": [note.text(language) for note in report.events.notes],
        "facts": [fact_data(fact, language) for fact in filing.facts],
        "unknown": [
            {
                "concept": unknown.concept,
                "title": line_title(unknown.concept, language),
                "period": _period(unknown.period) if unknown.period else None,
                "reason": unknown.reason.text(language),
            }
            for unknown in filing.unknowns
        ],
        "items": [
            {"number": item_number(item), "title": item.title, "span": [item.span.start, item.span.end]}
            for item in filing.items
        ],
        "statements": [
            {
                "statement": info.statement,
                "title": info.title,
                "tables": [table + 1 for table in info.tables],
                "scale": f"{info.scale:f}",
                "scale_basis": info.scale_basis,
                "scale_quote": info.scale_quote,
                "currency": info.currency,
            }
            for info in filing.statements
        ],
        "notes": [note.text(language) for note in filing.notes],
        **({"summary": summary.plain_data()} if summary else {}),
    }


def _matters(reading: MatterReading, language: Language) -> dict[str, Any]:
    return {
        "model": reading.model or None,
        "values_dropped": reading.dropped,
        "answers_not_valid": reading.failed,
        "is_cut": reading.is_cut,
        "found": [
            {
                "kind": matter.kind.name,
                "name": matter.kind.names[language],
                "evidence": evidence_data(matter.sentence, language),
                "terms": [
                    {
                        "role": term.role.name,
                        "title": term.role.names[language],
                        "read_by": term.read_by,
                        "evidence": evidence_data(term.evidence, language),
                    }
                    for term in matter.terms
                ],
                "empty": [role.name for role in matter.empty_roles],
            }
            for matter in reading.matters
        ],
    }


def fact_data(fact: Fact, language: Language) -> dict[str, Any]:
    """One fact with its cell or the cells it was derived from."""
    return {
        "concept": fact.concept,
        "title": line_title(fact.concept, language),
        "value": f"{fact.value:f}",
        "unit": fact.unit,
        "period": _period(fact.period),
        "scale": f"{fact.scale:f}",
        "status": fact.status,
        "evidence": evidence_data(fact.evidence, language),
        "inputs": [evidence_data(cell, language) for cell in fact.inputs],
        "checks": [
            {"identity": check.title(language), "holds": check.holds, "numbers": check.explanation}
            for check in fact.checks
        ],
        "notes": [note.text(language) for note in fact.notes],
    }


def evidence_data(evidence: Evidence, language: Language) -> dict[str, Any]:
    """Evidence with its address and what stands there."""
    match evidence:
        case CellEvidence():
            return {
                "kind": "cell",
                "file": evidence.document_id,
                "table": evidence.table + 1,
                "row": evidence.row + 1,
                "column": evidence.column + 1,
                "text": evidence.text,
                "row_label": evidence.row_label,
                "column_label": evidence.column_label,
                "table_title": evidence.table_title,
            }
        case TextEvidence():
            span = [evidence.span.start, evidence.span.end]
            return {"kind": "text", "file": evidence.document_id, "span": span, "quote": evidence.quote}
        case _:
            return {"kind": "rule", "text": evidence.describe(language)}


def _named(named: Named | None) -> dict[str, Any] | None:
    return {"value": named.value, "evidence": evidence_data(named.evidence, "en")} if named else None


def _period(period: Period) -> dict[str, Any]:
    return {
        "kind": period.kind,
        "end": period.end.isoformat() if period.end else None,
        "months": period.months,
        "fiscal_year": period.fiscal_year,
    }


def _score(score: Score, language: Language) -> dict[str, Any]:
    return {
        "name": "altman_z_double_prime",
        "formula": FORMULA,
        "value": f"{score.value:.6f}" if score.value is not None else None,
        "zone": score.zone,
        "period": _period(score.period) if score.period else None,
        "terms": [
            {
                "symbol": term.symbol,
                "weight": f"{term.weight}",
                "substitution": term.substitution,
                "ratio": f"{term.ratio:.6f}",
                "points": f"{term.points:.6f}",
                "facts": [fact_data(fact, language) for fact in term.facts],
            }
            for term in score.terms
        ],
        "notes": [note.text(language) for note in score.notes],
        "reasons": [reason.text(language) for reason in score.reasons],
        "reason_evidence": [evidence_data(evidence, language) for evidence in score.reason_evidence],
    }


def _event(event: RiskEvent, language: Language) -> dict[str, Any]:
    return {
        "item": event.item,
        "name": event.names[language],
        "severity": event.severity,
        "severity_name": severity_name(event.severity, language),
        "reported": event.reported.isoformat() if event.reported else None,
        "evidence": [evidence_data(evidence, language) for evidence in event.evidence],
        "signals": [
            {
                "name": signal.names[language],
                "severity": signal.severity,
                "evidence": evidence_data(signal.evidence, language),
            }
            for signal in event.signals
        ],
        "entities": [
            {"kind": entity.kind, "text": entity.text, "span": [entity.span.start, entity.span.end]}
            for entity in event.entities
        ],
    }
