"""A diagnosis laid out as headings, paragraphs, lists and tables, in one language."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from apps.medical.analysis import Diagnosis, Diagnostician
from apps.medical.diagnosis.differential import Candidate, Contribution
from apps.medical.records.findings import ClinicalNote
from apps.medical.report.wording import Wording, factor
from core.report import Block, Bullets, Heading, Mark, MarkedText, Paragraph, Sheet, Table
from core.text import Language

if TYPE_CHECKING:
    from apps.medical.records.fields import FieldReading, ReadField
    from core.inference.summary import Summary

_LEAST_SHOWN = 0.05
"""Contributions nearer to zero than this are left out of the report's lists; the JSON has them all."""


_STATUSES = ("present", "historical", "absent", "uncertain", "family", "hypothetical")


def build_sheet(
    doctor: Diagnostician,
    diagnosis: Diagnosis,
    language: Language,
    *,
    summary: Summary | None = None,
    fields: FieldReading | None = None,
) -> Sheet:
    """Lay out one diagnosis, with a summary in sentences and fields read by the model where there are any."""
    say = Wording(doctor, language)
    blocks: list[Block] = [
        Paragraph(say.text("disclaimer"), emphasised=True),
        Paragraph(f"{say.text('patient')}: {say.patient(diagnosis.note)}"),
        *(_summary(say, summary) if summary else ()),
        *_findings(say, diagnosis),
        *(field_blocks(say, diagnosis.note.text, fields) if fields else ()),
        *_differential(say, diagnosis),
    ]
    if diagnosis.questions:
        blocks.append(Bullets(tuple(say.question(q) for q in diagnosis.questions), say.text("questions")))
    versions = say.text("versions", doctor.knowledge.ontology.version, doctor.knowledge.release)
    blocks.append(Paragraph(f"{say.text('how')} {versions}."))
    return Sheet(f"{say.text('title')}: {diagnosis.name}", language, tuple(blocks))


def _summary(say: Wording, summary: Summary) -> list[Block]:
    items = tuple(f"{told.text} [{say.text('words_by')}: {told.whose(say.language)}]" for told in summary.told)
    return [Heading(say.text("summary")), Bullets(items, summary.note(say.language))]


def field_blocks(say: Wording, text: str, reading: FieldReading) -> list[Block]:
    """What the model read of a note, apart from the findings."""
    note = say.text("fields_note", reading.model, reading.sentences, reading.dropped, reading.failed)
    blocks: list[Block] = [Heading(say.text("fields", len(reading.fields))), Paragraph(note)]
    if reading.is_cut:
        blocks.append(Paragraph(say.text("fields_cut"), emphasised=True))
    if not reading.fields:
        return [*blocks, Paragraph(say.text("fields_none"))]
    header = ("field_kind", "field_parts", "column_status", "column_section", "column_rule", "field_signs")
    rows = tuple(_field_row(say, text, field) for field in reading.fields)
    return [*blocks, Table(tuple(say.text(name) for name in header), rows)]


def _field_row(say: Wording, text: str, field: ReadField) -> tuple[str, ...]:
    parts = "; ".join(
        f"{field.kind.parts[part][say.language]}: {' '.join(span.of(text).split())} [{span.start}–{span.end}]"
        for part, span in field.parts.items()
    )
    return (
        field.kind.names[say.language],
        parts,
        say.text(f"status_{field.assertion.status}"),
        say.section_title(field.section.kind),
        say.rules(field.assertion, field.section.kind),
        ", ".join(say.sign(term) for term in field.terms),
    )


def _findings(say: Wording, diagnosis: Diagnosis) -> list[Block]:
    note, case = diagnosis.note, diagnosis.reconciled.case
    if not note.findings:
        return [Paragraph(say.text("no_findings"), emphasised=True)]
    remarks = tuple(say.remark(kind, term) for kind, term in diagnosis.reconciled.remarks)
    return [
        Heading(say.text("findings", len(note.findings))),
        MarkedText(note.text, finding_marks(say, note), status_legend(say)),
        finding_table(say, note),
        Paragraph(say.text("counted", len(case.present), len(case.absent))),
        *(Paragraph(remark) for remark in remarks),
    ]


def finding_table(say: Wording, note: ClinicalNote) -> Table:
    """One row a finding: words, sign, status, section, place, and why it has that status."""
    header = ("words", "sign", "status", "section", "place", "rule")
    rows = tuple(
        (
            " ".join(finding.text.split()),
            say.sign(finding.term),
            say.status(finding),
            say.section(finding),
            f"{finding.span.start}–{finding.span.end}",
            say.reason(finding),
        )
        for finding in note.findings
    )
    return Table(tuple(say.text(f"column_{name}") for name in header), rows)


def finding_marks(say: Wording, note: ClinicalNote) -> tuple[Mark, ...]:
    """Where the findings stand in the note, each with its status and sign."""
    return tuple(Mark(f.span, f"{say.status(f)}: {say.names.term(f.term)}", f.assertion.status) for f in note.findings)


def status_legend(say: Wording) -> dict[str, str]:
    """The names of the kinds of `finding_marks`."""
    return {status: say.text(f"status_{status}") for status in _STATUSES}


def warning(say: Wording, diagnosis: Diagnosis) -> str | None:
    """Why the differential does not suffice, in words; None where it may be looked at."""
    reason = diagnosis.differential.insufficient
    if reason == "no findings":
        return say.text("none_present") if diagnosis.note.findings else say.text("no_findings")
    if reason == "few findings":
        return say.text("insufficient_few")
    return say.text("insufficient_unspecific") if reason else None


def _differential(say: Wording, diagnosis: Diagnosis) -> list[Block]:
    if not diagnosis.note.findings:
        return []
    blocks: list[Block] = [Heading(say.text("differential"))]
    problem = warning(say, diagnosis)
    if problem:
        blocks.append(Paragraph(problem, emphasised=True))
    if diagnosis.differential.candidates:
        blocks.append(Paragraph(say.text("ranked", f"{diagnosis.differential.diseases_ranked:,}")))
        blocks.append(Paragraph(say.text("share_note")))
    for candidate in diagnosis.differential.candidates:
        blocks += _candidate(say, candidate)
    return blocks


def _candidate(say: Wording, candidate: Candidate) -> list[Block]:
    support = (
        f"{say.text('column_support')}: {say.support(candidate)}; {say.text('column_share')}: {candidate.share:.1%}"
    )
    blocks: list[Block] = [
        Heading(f"{candidate.rank}. {say.disease(candidate)}", 3),
        Paragraph(f"{support}; {say.text('score', f'{candidate.score / math.log(10):+.1f}')}"),
    ]
    for key, parts in (("for", candidate.speaking_for), ("against", candidate.speaking_against)):
        lines = contribution_lines(say, candidate.disease, parts)
        blocks.append(Bullets(tuple(lines) or (say.text("nothing"),), say.text(key)))
    if candidate.expected:
        expected = tuple(
            f"{say.sign(sign.term)}: {sources(say, candidate.disease, sign.statements)}" for sign in candidate.expected
        )
        blocks.append(Bullets(expected, say.text("missing")))
    return blocks


def contribution_lines(say: Wording, disease: int, parts: Sequence[Contribution]) -> list[str]:
    """One line a contribution: factor, finding, how it was compared, and the statements behind it."""
    lines = []
    for part in parts:
        if abs(part.log_ratio) < _LEAST_SHOWN:
            continue
        line = f"{factor(part.log_ratio)} {say.subject(part)}"
        if part.term is not None:
            line += f" — {say.comparison(part)}"
        if part.statements:
            line += f": {sources(say, disease, part.statements)}"
        lines.append(line)
    return lines


def sources(say: Wording, disease: int, statements: Sequence[object]) -> str:
    """The statements as text: sign, how often, who says so."""
    evidence = [say.statement(statement, disease) for statement in statements]  # type: ignore[arg-type]
    return "; ".join(f"{item.object}, {item.detail}, {', '.join(item.sources)}" for item in evidence)
