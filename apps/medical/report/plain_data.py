"""A diagnosis as plain JSON values, complete: every mention, every contribution, every statement with its source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from apps.medical.analysis import Diagnosis, Diagnostician
from apps.medical.diagnosis.differential import Candidate, Contribution
from apps.medical.knowledge.build import Statement
from apps.medical.records.findings import Finding
from apps.medical.report.wording import Wording
from core.extraction import Assertion
from core.text import Language

if TYPE_CHECKING:
    from apps.medical.records.fields import FieldReading, ReadField
    from core.inference.summary import Summary


def to_plain_data(
    doctor: Diagnostician,
    diagnosis: Diagnosis,
    language: Language,
    *,
    summary: Summary | None = None,
    fields: FieldReading | None = None,
) -> dict[str, Any]:
    """The whole diagnosis, and beside it what the model was asked for; names in `language`, the rest language-free."""
    say = Wording(doctor, language)
    note, case = diagnosis.note, diagnosis.reconciled.case
    age, sex = note.age, note.sex
    return {
        "disclaimer": say.text("disclaimer"),
        "name": diagnosis.name,
        "language": note.language,
        "patient": {
            "age_years": age and {"value": round(age.years, 4), "span": [age.span.start, age.span.end]},
            "sex": sex and {"value": sex.sex, "span": [sex.span.start, sex.span.end]},
        },
        "findings": [_finding(say, finding) for finding in note.findings],
        "counted": {
            "present": [_term(say, term) for term in case.present],
            "absent": [_term(say, term) for term in case.absent],
        },
        "remarks": [{"kind": kind, **_term(say, term)} for kind, term in diagnosis.reconciled.remarks],
        "insufficient": diagnosis.differential.insufficient,
        "diseases_ranked": diagnosis.differential.diseases_ranked,
        "differential": [_candidate(say, candidate) for candidate in diagnosis.differential.candidates],
        "questions": [
            {
                **_term(say, question.term),
                "gain_bits": round(question.gain, 4),
                "probability": round(question.probability, 4),
                "favours": [say.knowledge.diseases[disease] for disease in question.favours],
            }
            for question in diagnosis.questions
        ],
        "knowledge": {
            "ontology": doctor.knowledge.ontology.version,
            "annotations": doctor.knowledge.release,
            "content_hash": doctor.knowledge.content_hash,
        },
        **({"summary": summary.plain_data()} if summary else {}),
        **({"fields": _fields(say, note.text, fields)} if fields else {}),
    }


def _fields(say: Wording, text: str, reading: FieldReading) -> dict[str, Any]:
    return {
        "model": reading.model,
        "sentences": reading.sentences,
        "values_dropped": reading.dropped,
        "answers_not_valid": reading.failed,
        "is_cut": reading.is_cut,
        "found": [_field(say, text, field) for field in reading.fields],
    }


def _field(say: Wording, text: str, field: ReadField) -> dict[str, Any]:
    return {
        "field": field.kind.name,
        "parts": {part: {"text": span.of(text), "span": [span.start, span.end]} for part, span in field.parts.items()},
        "status": field.assertion.status,
        "section": field.section.kind.name if field.section.kind else None,
        "rules": _rules(field.assertion),
        "signs": [_term(say, term) for term in field.terms],
    }


def _rules(assertion: Assertion) -> list[dict[str, Any]]:
    return [{"rule": f.rule, "cue": f.cue, "span": [f.span.start, f.span.end]} for f in assertion.fired]


def _term(say: Wording, term: int | None) -> dict[str, Any]:
    return (
        {"id": None, "label": None} if term is None else {"id": say.names.term_id(term), "label": say.names.term(term)}
    )


def _finding(say: Wording, finding: Finding) -> dict[str, Any]:
    assertion = finding.assertion
    return {
        **_term(say, finding.term),
        "text": finding.text,
        "span": [finding.span.start, finding.span.end],
        "status": assertion.status,
        "polarity": assertion.polarity,
        "experiencer": assertion.experiencer,
        "time": assertion.time,
        "section": finding.section.name if finding.section else None,
        "rules": _rules(assertion),
    }


def _candidate(say: Wording, candidate: Candidate) -> dict[str, Any]:
    knowledge, disease = say.knowledge, candidate.disease
    return {
        "rank": candidate.rank,
        "tied": candidate.tied,
        "id": knowledge.diseases[disease],
        "name": say.names.disease(disease),
        "other_ids": [*knowledge.aliases[disease], *(knowledge.diseases[other] for other in candidate.same_name)],
        "log_likelihood_ratio": round(candidate.score, 4),
        "share": round(candidate.share, 6),
        "support": candidate.band,
        "for": [_contribution(say, part) for part in candidate.speaking_for],
        "against": [_contribution(say, part) for part in candidate.speaking_against],
        "expected_not_mentioned": [
            {
                **_term(say, sign.term),
                "frequency": round(sign.frequency, 4),
                "statements": _statements(say, sign.statements),
            }
            for sign in candidate.expected
        ],
    }


def _contribution(say: Wording, part: Contribution) -> dict[str, Any]:
    return {
        "kind": part.kind,
        **_term(say, part.term),
        "match": part.match,
        "via": _term(say, part.via)["id"],
        "log_likelihood_ratio": round(part.log_ratio, 4),
        "statements": _statements(say, part.statements),
    }


def _statements(say: Wording, statements: Sequence[Statement]) -> list[dict[str, Any]]:
    return [{**_term(say, s.term), "detail": s.detail, "sources": s.source.split(";")} for s in statements]
