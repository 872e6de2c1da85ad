"""The page's view of past questions: upload them, see what they are about and what no article answers."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from apps.customer_service.asked.commands import summary
from apps.customer_service.asked.export import as_csv, table_header, table_rows
from apps.customer_service.asked.groups import Grouping, group_questions, like
from apps.customer_service.asked.reading import KINDS, MAX_QUESTIONS, Asked, read_asked
from apps.customer_service.dialogue.assistant import MAX_CHARACTERS, Assistant
from core.text import escape_markdown
from core.ui import Page, Upload

_VERDICTS = ("unanswered", "unclear", "several", "answered")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a visitor looks at. Only masked questions are kept, in this visitor's session alone."""

    name: str
    asked: Asked
    grouping: Grouping


def draw_asked(page: Page, assistant: Assistant) -> None:
    """The whole view. What was uploaded stays until another file takes its place, or it is discarded."""
    st.write(page.text("asked_welcome", most=f"{MAX_QUESTIONS:,}"))
    number = st.session_state.setdefault("asked_number", 0)  # a new key empties the uploader
    upload = page.upload(page.text("asked_file"), KINDS, key=f"asked_file_{number}")
    column = st.text_input(page.text("asked_column"), key="asked_column", help=page.text("asked_column_help")).strip()
    if upload is not None:
        st.session_state["asked"] = _grouped(page, assistant, upload, column)
    shown: Shown | None = st.session_state.get("asked")
    if shown is None:
        st.info(page.text("asked_empty"))
        return
    st.subheader(escape_markdown(page.text("asked_shown", name=shown.name)))
    for line in summary(shown.grouping, shown.asked, page.language):
        st.caption(escape_markdown(line))
    _draw_groups(page, shown.grouping)
    _draw_like(page, assistant, shown.asked)
    st.button(page.text("asked_discard"), key="asked_discard", on_click=_discard)


def _discard() -> None:
    st.session_state.pop("asked", None)
    st.session_state["asked_number"] += 1


def _grouped(page: Page, assistant: Assistant, upload: Upload, column: str) -> Shown:
    """The groups of an upload, made once for its content. A file that cannot be read leaves nothing to look at."""
    before: Shown | None = st.session_state.pop("asked", None)
    asked = read_asked(upload.data, upload.name, column or None)
    if before and (before.name, before.asked) == (upload.name, asked):
        return before
    text = page.text("asked_grouping")
    bar = st.progress(0.0, text=text)

    def show(done: int, total: int) -> None:
        bar.progress(done / total, text=text)

    try:
        return Shown(upload.name, asked, group_questions(assistant.desk, asked.questions, show))
    finally:
        bar.empty()


def _draw_groups(page: Page, grouping: Grouping) -> None:
    verdicts = {name: page.text(f"asked_show_{name}") for name in ("all", *_VERDICTS)}
    chosen = page.choose(page.text("asked_show"), verdicts, key="asked_show")
    kept = [
        row
        for row, group in zip(table_rows(grouping, page.language), grouping.groups, strict=True)
        if chosen in ("all", group.verdict)
    ]
    if kept:
        page.table(table_header(page.language), kept, caption=page.text("asked_caption"))
    else:
        st.info(page.text("asked_none"))
    st.download_button(
        page.text("asked_download"),
        as_csv(grouping, page.language).encode("utf-8"),
        file_name="question_groups.csv",
        mime="text/csv",
        key="asked_download",
    )


def _draw_like(page: Page, assistant: Assistant, asked: Asked) -> None:
    wanted = st.text_input(page.text("asked_like"), key="asked_like", max_chars=MAX_CHARACTERS).strip()
    if not wanted:
        return
    rows = [[f"{one.similarity:.3f}", one.text] for one in like(assistant.desk, wanted, asked.questions)]
    page.table([page.text("asked_similarity"), page.text("asked_question")], rows)
