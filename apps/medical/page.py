"""The medical page: a note with its findings marked, a differential with its evidence, a graph, a report."""

from __future__ import annotations

import hashlib
import json

import streamlit as st

from apps.medical.analysis import Diagnosis, Diagnostician, diagnostician, note_from_bytes
from apps.medical.diagnosis.differential import Candidate
from apps.medical.page_texts import TEXTS, TITLES
from apps.medical.product import SAMPLES
from apps.medical.records.fields import FieldReading, read_fields
from apps.medical.records.findings import ClinicalNote
from apps.medical.report import build_sheet, to_plain_data
from apps.medical.report.evidence_graph import PATIENT, evidence_graph, paths_to
from apps.medical.report.narrative import tell_diagnosis
from apps.medical.report.sheet import (
    contribution_lines,
    field_blocks,
    finding_marks,
    finding_table,
    sources,
    status_legend,
    warning,
)
from apps.medical.report.wording import Wording
from core.config import settings
from core.graph import path_as_text, to_dot
from core.inference import load_generator
from core.inference.summary import Summary
from core.report import Heading, Paragraph, Table, to_html, to_html_body, to_markdown
from core.text import Language, escape_markdown
from core.ui import Page
from core.ui.summary import show_summary

SAMPLE_NAMES = (
    *("shaking-hands-zh.txt", "spots-and-seizures-zh.txt", "burning-feet-zh.txt"),
    *("nosebleeds-en.txt", "tall-teenager-en.txt", "tired-worker-en.txt"),
)
_CACHED_ANSWERS = 8
_SHAPES = {"patient": "box", "finding": "ellipse", "sign": "ellipse", "disease": "octagon"}


@st.cache_resource(show_spinner=False)
def _doctor() -> Diagnostician:
    return diagnostician()


@st.cache_resource(max_entries=_CACHED_ANSWERS, show_spinner=False)
def _fields(_note: ClinicalNote, key: str) -> FieldReading:
    return read_fields(_note, load_generator())


@st.cache_resource(max_entries=_CACHED_ANSWERS, show_spinner=False)
def _summary(_doctor: Diagnostician, _diagnosis: Diagnosis, key: str, language: Language) -> Summary:
    return tell_diagnosis(_doctor, _diagnosis, language, load_generator())


def _key(text: str, *more: object) -> str:
    """What a cached answer of the model belongs to: this text, what else went in, and this generator."""
    return hashlib.sha256(repr((settings().generator, text, more)).encode()).hexdigest()


def _choose_note(page: Page) -> tuple[str, str] | None:
    """`(name, text)` of the note to read, or None while there is none."""
    source = st.radio(
        page.text("source"),
        ["sample", "paste", "upload"],
        format_func=lambda kind: page.text(f"source_{kind}"),
        horizontal=True,
        key="source",
    )
    if source == "sample":
        preferred = 0 if page.language == "zh" else 3
        name = st.selectbox(page.text("sample"), SAMPLE_NAMES, index=preferred, format_func=page.text, key="sample")
        return name, note_from_bytes((SAMPLES / name).read_bytes(), name)
    if source == "paste":
        text = st.text_area(page.text("paste"), height=220, key="pasted")
        return (page.text("pasted_name"), text) if text.strip() else None
    upload = page.upload(page.text("upload"), ["txt", "md"], key="note_upload")
    return (upload.name, note_from_bytes(upload.data, upload.name)) if upload else None


def _switched_off(page: Page, say: Wording, note: ClinicalNote) -> list[int]:
    """Draw a tick box for every sign that counts, all its mentions together; the indices of those left out."""
    mentions: dict[tuple[int, str], list[int]] = {}
    for index, finding in enumerate(note.findings):
        if finding.counts_as_present or finding.counts_as_absent:
            mentions.setdefault((finding.term, say.status(finding)), []).append(index)
    if not mentions:
        st.write(page.text("no_switches"))
        return []
    st.write(page.text("switches"))
    stem = hashlib.sha256(note.text.encode()).hexdigest()[:12]
    columns = st.columns(2)
    off: list[int] = []
    for place, ((term, status), indices) in enumerate(mentions.items()):
        words = ", ".join(dict.fromkeys(escape_markdown(note.findings[index].text) for index in indices))
        with columns[place % 2]:
            if not st.checkbox(f"[{status}] {words} → {say.sign(term)}", value=True, key=f"use_{stem}_{indices[0]}"):
                off += indices
    return off


def _show_findings(page: Page, say: Wording, note: ClinicalNote) -> list[int]:
    st.write(f"{say.text('patient')}: {escape_markdown(say.patient(note))}")
    page.highlight(note.text, finding_marks(say, note), status_legend(say))
    if not note.findings:
        st.info(say.text("no_findings"))
        return []
    off = _switched_off(page, say, note)
    with st.expander(say.text("findings", len(note.findings)), expanded=False):
        table = finding_table(say, note)
        page.table(table.header, table.rows)
    return off


def _show_fields(page: Page, say: Wording, note: ClinicalNote) -> FieldReading | None:
    """Draw the fields under their switch, apart from the findings."""
    if not st.toggle(page.text("fields"), key="fields", help=page.text("slow")):
        return None
    with page.guard(), st.spinner(page.text("asking")):
        reading = _fields(note, _key(note.text))
        for block in field_blocks(say, note.text, reading):
            match block:
                case Heading(text):
                    st.subheader(escape_markdown(text))
                case Paragraph(text):
                    st.text(text)
                case Table(header, rows):
                    page.table(header, rows)
        return reading
    return None


def _tell(page: Page, doctor: Diagnostician, diagnosis: Diagnosis, off: list[int]) -> Summary | None:
    """Draw the summary under its switch."""
    if not st.toggle(page.text("phrase"), key="phrase", help=page.text("slow")):
        return None
    with page.guard(), st.spinner(page.text("asking")):
        summary = _summary(doctor, diagnosis, _key(diagnosis.note.text, off), page.language)
        show_summary(page, summary)
        return summary
    return None


def _show_differential(page: Page, say: Wording, diagnosis: Diagnosis, left_out: int) -> None:
    case = diagnosis.reconciled.case
    st.write(say.text("counted", len(case.present), len(case.absent)))
    if left_out:
        st.write(page.text("left_out", count=left_out))
    for kind, term in diagnosis.reconciled.remarks:
        st.caption(escape_markdown(say.remark(kind, term)))
    problem = warning(say, diagnosis)
    if problem:
        st.warning(problem)
    if not diagnosis.differential.candidates:
        st.info(page.text("no_candidates"))
        return
    st.caption(say.text("ranked", f"{diagnosis.differential.diseases_ranked:,}"))
    st.caption(say.text("share_note"))
    for candidate in diagnosis.differential.candidates:
        _show_candidate(say, candidate)
    st.subheader(say.text("questions"))
    for question in diagnosis.questions:
        st.markdown(f"- {escape_markdown(say.question(question))}")


def _show_candidate(say: Wording, candidate: Candidate) -> None:
    strongest = ", ".join(say.subject(part) for part in candidate.speaking_for[:3])
    title = f"{candidate.rank}. {say.disease(candidate)} — {say.text('column_support')}: {say.support(candidate)}"
    with st.expander(f"{escape_markdown(title)} ({candidate.share:.1%}) · {escape_markdown(strongest)}"):
        for key, parts in (("for", candidate.speaking_for), ("against", candidate.speaking_against)):
            st.markdown(f"**{say.text(key)}**")
            lines = contribution_lines(say, candidate.disease, parts) or [say.text("nothing")]
            st.markdown("\n".join(f"- {escape_markdown(line)}" for line in lines))
        if candidate.expected:
            st.markdown(f"**{say.text('missing')}**")
            missing = [
                f"{say.sign(sign.term)}: {sources(say, candidate.disease, sign.statements)}"
                for sign in candidate.expected
            ]
            st.markdown("\n".join(f"- {escape_markdown(line)}" for line in missing))


def _show_graph(page: Page, say: Wording, diagnosis: Diagnosis) -> None:
    candidates = diagnosis.differential.candidates
    if not candidates:
        st.info(page.text("no_candidates"))
        return
    titles = [f"{candidate.rank}. {say.names.disease(candidate.disease)}" for candidate in candidates]
    chosen = page.select(page.text("candidate"), titles, key="graph_candidate")
    graph = evidence_graph(say, diagnosis, candidates[chosen])
    paths = paths_to(say, graph, candidates[chosen])
    if not paths:
        st.info(page.text("no_graph"))
        return
    st.caption(page.text("graph_note"))
    st.graphviz_chart(
        to_dot(graph, shapes=_SHAPES, emphasised=[PATIENT], right_to_left=[say.text("has_sign")]), width="stretch"
    )
    st.markdown("\n".join(f"- {escape_markdown(path_as_text(graph, path))}" for path in paths))


def _show_report(
    page: Page,
    doctor: Diagnostician,
    diagnosis: Diagnosis,
    summary: Summary | None,
    fields: FieldReading | None,
) -> None:
    sheet = build_sheet(doctor, diagnosis, page.language, summary=summary, fields=fields)
    plain_data = to_plain_data(doctor, diagnosis, page.language, summary=summary, fields=fields)
    data = json.dumps(plain_data, ensure_ascii=False, indent=2)
    downloads = (("html", to_html(sheet), "text/html"), ("md", to_markdown(sheet), "text/markdown"))
    for kind, content, mime in (*downloads, ("json", data, "application/json")):
        st.download_button(
            page.text(f"download_{kind}"), content, file_name=f"report.{kind}", mime=mime, key=f"download_{kind}"
        )
    st.html(to_html_body(sheet))


def main() -> None:
    """Draw the page."""
    page = Page(titles=TITLES, texts=TEXTS)
    with page.guard():
        with st.spinner(page.text("loading")):
            doctor = _doctor()
        say = Wording(doctor, page.language)
        page.notice(say.text("disclaimer"))
        handed_in = _choose_note(page)
        if handed_in is None:
            st.info(page.text("empty"))
            return
        name, text = handed_in
        note = doctor.read(text)
        findings, differential, graph, report = st.tabs(
            [page.text(f"tab_{tab}") for tab in ("findings", "differential", "graph", "report")]
        )
        with findings:
            off = _show_findings(page, say, note)
            fields = _show_fields(page, say, note)
        diagnosis = doctor.diagnose(name, note, switched_off=off)
        with differential:
            summary = _tell(page, doctor, diagnosis, off)
            _show_differential(page, say, diagnosis, len(off))
        with graph:
            _show_graph(page, say, diagnosis)
        with report:
            _show_report(page, doctor, diagnosis, summary, fields)
        versions = say.text("versions", doctor.knowledge.ontology.version, doctor.knowledge.release)
        st.caption(f"{say.text('how')} {versions}")


main()
