"""A diagnosis laid out for reading: headings, paragraphs, lists and tables, in one language, without markup."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.medical.analysis import Diagnosis, Diagnostician
from apps.medical.diagnosis.differential import Candidate, Contribution
from apps.medical.report.wording import Wording, factor
from core.text import Language, Span

if TYPE_CHECKING:
    from apps.medical.records.fields import FieldReading, ReadField
    from core.inference.summary import Summary

_LEAST_SHOWN = 0.05
"""Contributions nearer to zero than this are left out of the report's lists; the JSON has them all."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; `level` 1 to 3."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; an `emphasised` one is a warning."""

    text: str
    emphasised: bool = False


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list with a title."""

    title: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain text under a header."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class MarkedNote:
    """The note itself with its findings: `(span, label, status)`; `legend` names the statuses."""

    text: str
    marks: tuple[tuple[Span, str, str], ...]
    legend: dict[str, str]


Block = Heading | Paragraph | Bullets | Table | MarkedNote

STATUSES = ("present", "historical", "absent", "uncertain", "family", "hypothetical")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A report ready to be rendered."""

    language: Language
    title: str
    blocks: tuple[Block, ...]


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
        Heading(1, f"{say.text('title')}: {diagnosis.name}"),
        Paragraph(say.text("disclaimer"), emphasised=True),
        Paragraph(f"{say.text('patient')}: {say.patient(diagnosis.note)}"),
        *(_summary(say, summary) if summary else ()),
        *_findings(say, diagnosis),
        *(field_blocks(say, diagnosis.note.text, fields) if fields else ()),
        *_differential(say, diagnosis),
    ]
    if diagnosis.questions:
        blocks.append(Bullets(say.text("questions"), tuple(say.question(q) for q in diagnosis.questions)))
    versions = say.text("versions", doctor.knowledge.ontology.version, doctor.knowledge.release)
    blocks.append(Paragraph(f"{say.text('how')} {versions}."))
    return Sheet(language, f"{say.text('title')}: {diagnosis.name}", tuple(blocks))


def _summary(say: Wording, summary: Summary) -> list[Block]:
    items = tuple(f"{told.text} [{say.text('words_by')}: {told.whose(say.language)}]" for told in summary.told)
    return [Heading(2, say.text("summary")), Bullets(summary.note(say.language), items)]


def field_blocks(say: Wording, text: str, reading: FieldReading) -> list[Block]:
    """What the model read of a note, apart from the findings."""
    note = say.text("fields_note", reading.model, reading.sentences, reading.dropped, reading.failed)
    blocks: list[Block] = [Heading(2, say.text("fields", len(reading.fields))), Paragraph(note)]
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
    remarks = tuple(say.remark(kind, term) for kind, term in diagnosis.reconciled.remarks)
    return [
        Heading(2, say.text("findings", len(note.findings))),
        MarkedNote(
            note.text,
            tuple((f.span, f"{say.status(f)}: {say.names.term(f.term)}", f.assertion.status) for f in note.findings),
            {status: say.text(f"status_{status}") for status in STATUSES},
        ),
        Table(tuple(say.text(f"column_{name}") for name in header), rows),
        Paragraph(say.text("counted", len(case.present), len(case.absent))),
        *(Paragraph(remark) for remark in remarks),
    ]


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
    blocks: list[Block] = [Heading(2, say.text("differential"))]
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
        Heading(3, f"{candidate.rank}. {say.disease(candidate)}"),
        Paragraph(f"{support}; {say.text('score', f'{candidate.score / math.log(10):+.1f}')}"),
    ]
    for key, parts in (("for", candidate.speaking_for), ("against", candidate.speaking_against)):
        lines = contribution_lines(say, candidate.disease, parts)
        blocks.append(Bullets(say.text(key), tuple(lines) or (say.text("nothing"),)))
    if candidate.expected:
        expected = tuple(
            f"{say.sign(sign.term)}: {sources(say, candidate.disease, sign.statements)}" for sign in candidate.expected
        )
        blocks.append(Bullets(say.text("missing"), expected))
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
