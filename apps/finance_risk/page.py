"""The finance-risk page: a filing, its facts with their cells, its events with their sentences, its score."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import streamlit as st

from apps.finance_risk.filings import Fact, Item
from apps.finance_risk.filings.items import item_names
from apps.finance_risk.filings.lines import line_title
from apps.finance_risk.matters import MatterReading
from apps.finance_risk.page_texts import TEXTS, TITLES
from apps.finance_risk.page_views import fact_cells, grid_view, item_marks, waterfall
from apps.finance_risk.report import RiskReport, analyse_bytes, build_sheet, to_plain_data
from apps.finance_risk.report.sheet import (
    event_headline,
    item_number,
    matter_blocks,
    score_blocks,
    status_text,
    unknown_block,
)
from apps.finance_risk.report.words import amount, fact_address, word
from core.config import settings
from core.inference import load_generator
from core.inference.summary import Summary
from core.report import Block, Bullets, Paragraph, Table, to_html, to_markdown
from core.text import Language
from core.ui import Page
from core.ui.summary import show_summary

_SAMPLES = Path(__file__).parent / "samples"
SAMPLES = {
    "sample_10k": "harrow-vale-10-k.html",
    "sample_8k": "harrow-vale-8-k.html",
    "sample_zh": "chenghe-2024-annual-report.html",
    "sample_announcement": "chenghe-pledge-announcement.html",
}
_EXCERPT_CHARACTERS = 12_000
_CACHED_REPORTS = 8


@st.cache_resource(max_entries=_CACHED_REPORTS, show_spinner=False)
def _report(data: bytes, name: str) -> RiskReport:
    return analyse_bytes(data, name)


@st.cache_resource(max_entries=_CACHED_REPORTS, show_spinner=False)
def _filled(_report: RiskReport, key: str) -> MatterReading:
    from apps.finance_risk.matters.filling import fill_roles

    return fill_roles(_report.matters, load_generator())


@st.cache_resource(max_entries=_CACHED_REPORTS, show_spinner=False)
def _summary(_report: RiskReport, key: str, language: Language) -> Summary:
    from apps.finance_risk.report.narrative import tell_report

    return tell_report(_report, language, load_generator())


def _choose(page: Page) -> RiskReport | None:
    upload = page.upload(page.text("upload"), ["html", "htm", "txt", "xhtml"], key="filing_upload")
    sample = st.selectbox(
        page.text("sample"), list(SAMPLES), format_func=page.text, key="sample", disabled=upload is not None
    )
    with st.spinner(page.text("reading")):
        if upload is not None:
            return _report(upload.data, upload.name)
        return _report((_SAMPLES / SAMPLES[sample]).read_bytes(), SAMPLES[sample])


def _show_head(page: Page, report: RiskReport) -> None:
    cover = report.filing.cover
    unknown = page.text("unknown")
    score = report.score
    zone = word(f"zone_{score.zone}", page.language) if score.zone else unknown
    cells = (
        (page.text("company"), cover.company.value if cover.company else unknown),
        (page.text("form"), cover.form.value if cover.form else unknown),
        (page.text("date"), cover.period_end.value if cover.period_end else unknown),
        ("Z''", f"{score.value:.2f} – {zone}" if score.value is not None else unknown),
    )
    page.table([name for name, _ in cells], [[value for _, value in cells]])


def _show_blocks(page: Page, blocks: list[Block]) -> None:
    """Blocks of a report, drawn as plain text."""
    for block in blocks:
        match block:
            case Paragraph(text):
                st.text(text)
            case Bullets(lines):
                page.table([], [[line] for line in lines])
            case Table(header, rows):
                page.table(header, rows)


def _show_score(page: Page, report: RiskReport) -> None:
    score = report.score
    if score.value is None:
        st.text(page.text("no_score"))
    else:
        labels = {term.symbol: word(term.symbol, page.language) for term in score.terms} | {"total": "Z''"}
        st.text(page.text("chart"))
        st.vega_lite_chart(waterfall(score, labels), width="stretch", key="waterfall")
        st.caption(page.text("cutoffs"))
    _show_blocks(page, list(score_blocks(score, report.filing.name, page.language)))
    facts = list(dict.fromkeys(fact for term in score.terms for fact in term.facts))
    if facts:
        _show_place(page, report, facts, key="score_fact")


def _show_place(page: Page, report: RiskReport, facts: list[Fact], *, key: str) -> None:
    """Choose a fact; see its table with the cell marked, and the identities it takes part in."""

    def title(fact: Fact) -> str:
        name, period = line_title(fact.concept, page.language), fact.period.describe(page.language)
        return f"{name} · {period} · {amount(fact.value)} {fact.unit} · {fact_address(fact)}"

    fact = facts[page.select(page.text("where"), [title(fact) for fact in facts], key=key)]
    if fact.is_derived:
        st.text(page.text("derived_from", rule=fact.evidence.describe(page.language)))
    for cell in fact_cells(fact):
        view = grid_view(report.filing.tables[cell.table], cell)
        page.table(
            view.header,
            view.rows,
            caption=page.text("cell_caption", table=cell.table + 1, title=cell.table_title or "–"),
            marked=view.marked,
        )
        if view.is_cut:
            st.caption(page.text("cut_table", rows=len(report.filing.tables[cell.table].rows)))
    page.evidence([*fact_cells(fact)])
    rows = [
        (check.title(page.language), page.text("holds" if check.holds else "broken"), check.explanation)
        for check in fact.checks
    ]
    if rows:
        page.table([page.text("checks"), "", ""], rows)
    else:
        st.caption(page.text("no_checks"))


def _show_facts(page: Page, report: RiskReport) -> None:
    facts = list(report.filing.facts)
    if not facts:
        st.info(page.text("no_facts"))
        return
    columns = [word(key, page.language) for key in ("line", "value", "unit", "period", "cell", "status")]
    rows = [
        (
            line_title(fact.concept, page.language),
            amount(fact.value),
            fact.unit,
            fact.period.describe(page.language),
            fact_address(fact),
            status_text(fact, page.language),
        )
        for fact in facts
    ]
    data = [dict(zip(columns, row, strict=True)) for row in rows]
    clicked = st.dataframe(
        data, hide_index=True, on_select="rerun", selection_mode="single-row", key="facts_table", width="stretch"
    )
    chosen = clicked["selection"]["rows"]
    if chosen and chosen != st.session_state.get("facts_clicked"):
        st.session_state["fact"] = chosen[0]
    st.session_state["facts_clicked"] = chosen
    if st.session_state.get("fact", 0) >= len(facts):
        st.session_state["fact"] = 0
    st.caption(page.text("where_hint"))
    _show_place(page, report, facts, key="fact")


def _show_events(page: Page, report: RiskReport) -> None:
    events = report.events.events
    if not events and not report.matters.matters:
        st.info(page.text("no_events"))
    legend = {kind: page.text(f"legend_{kind}") for kind in ("event", "signal", "entity")}
    for event in events:
        item = next(item for item in report.filing.items if item.number == event.item)
        with st.expander(event_headline(event, page.language), expanded=True):
            text, marks = item_marks(report.filing, item, event, page.language)
            page.highlight(text[:_EXCERPT_CHARACTERS], [m for m in marks if m.span.end <= _EXCERPT_CHARACTERS], legend)
            page.evidence(list(dict.fromkeys([*event.evidence, *(signal.evidence for signal in event.signals)])))
            if event.entities:
                rows = [(entity.text, entity.kind) for entity in event.entities]
                page.table([page.text("legend_entity"), ""], rows)
    if report.events.notes:
        page.table([], [[note.text(page.language)] for note in report.events.notes])


def _with_matters(page: Page, report: RiskReport) -> RiskReport:
    """Draw the matters under their switch; the report with the roles that the model filled, where it was asked."""
    if not report.matters.matters:
        return report
    st.subheader(word("matters", page.language))
    if st.toggle(page.text("fill_roles"), key="fill_roles", help=page.text("slow")):
        with page.guard(), st.spinner(page.text("asking")):
            report = replace(report, matters=_filled(report, _key(report)))
    _show_blocks(page, matter_blocks(report.matters, page.language))
    return report


def _told(page: Page, report: RiskReport) -> Summary | None:
    """Draw the summary under its switch."""
    if not st.toggle(page.text("phrase"), key="phrase", help=page.text("slow")):
        return None
    with page.guard(), st.spinner(page.text("asking")):
        summary = _summary(report, _key(report), page.language)
        show_summary(page, summary)
        return summary
    return None


def _key(report: RiskReport) -> str:
    """What a cached answer of the model belongs to: this text under this name, and this generator."""
    return hashlib.sha256(f"{settings().generator}\0{report.filing.name}\0{report.filing.text}".encode()).hexdigest()


def _show_filing(page: Page, report: RiskReport) -> None:
    filing = report.filing
    names = item_names(filing.cover.form_name)
    places: list[Item | None] = [None, *filing.items]

    def title(item: Item | None) -> str:
        if item is None:
            return page.text("whole")
        number = item_number(item)
        return f"{number} · {names.get(number, {}).get(page.language, item.title)}"

    chosen = places[page.select(page.text("item"), [title(item) for item in places], key="item")]
    start, end = (chosen.span.start, chosen.span.end) if chosen else (0, len(filing.text))
    end = min(end, start + _EXCERPT_CHARACTERS)
    st.caption(page.text("excerpt", start=f"{start:,}", end=f"{end:,}", total=f"{len(filing.text):,}"))
    page.highlight(filing.text[start:end], [], {})


def _show_report(page: Page, report: RiskReport, summary: Summary | None) -> None:
    st.text(page.text("download_hint"))
    sheet = build_sheet(report, page.language, summary)
    stem = Path(report.filing.name).stem
    data = json.dumps([to_plain_data(report, page.language, summary)], ensure_ascii=False, indent=2)
    for kind, content, mime in (
        ("html", to_html(sheet), "text/html"),
        ("md", to_markdown(sheet), "text/markdown"),
        ("json", data, "application/json"),
    ):
        st.download_button(page.text(f"download_{kind}"), content, f"{stem}-risk.{kind}", mime, key=f"download_{kind}")


def main() -> None:
    """Draw the page."""
    page = Page(titles=TITLES, texts=TEXTS)
    page.notice(page.text("notice"))
    report = None
    with page.guard():
        report = _choose(page)
    if report is None:
        return
    _show_head(page, report)
    filing = report.filing
    titles = (
        page.text("tab_score"),
        page.text("tab_events", count=len(report.events.events) + len(report.matters.matters)),
        page.text("tab_facts", count=len(filing.facts)),
        page.text("tab_filing"),
        page.text("tab_unknown", count=len(filing.unknowns)),
        page.text("tab_report"),
    )
    score, events, facts, text, unknown, download = st.tabs(titles)
    with score:
        summary = _told(page, report)
        _show_score(page, report)
    with events:
        _show_events(page, report)
        report = _with_matters(page, report)
    with facts:
        _show_facts(page, report)
    with text:
        _show_filing(page, report)
    with unknown:
        _show_blocks(page, [unknown_block(filing, page.language)])
    with download:
        _show_report(page, report, summary)


main()
