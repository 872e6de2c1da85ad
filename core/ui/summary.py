"""A summary on a page: every point with whose words it is in, and what was tried one click away."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from core.inference.phrase import Attempt
from core.inference.summary import Summary
from core.text import Language, escape_markdown
from core.ui.page import Page

_TEXTS: Mapping[str, Mapping[Language, str]] = {
    "sentence": {"en": "Sentence", "zh": "句子"},
    "words_by": {"en": "Words by", "zh": "措辞来自"},
    "tried": {"en": "What was tried", "zh": "尝试过程"},
    "point": {"en": "Point", "zh": "要点"},
    "step": {"en": "Step", "zh": "步骤"},
    "value": {"en": "Groundedness", "zh": "依据分"},
    "text": {"en": "Text", "zh": "文字"},
    "accepted": {"en": "Accepted", "zh": "采用"},
    "against": {"en": "Against it", "zh": "问题"},
    "yes": {"en": "yes", "zh": "是"},
    "no": {"en": "no", "zh": "否"},
}


def show_summary(page: Page, summary: Summary) -> None:
    """Draw the summary; all of its text as text, never as markup."""

    def say(key: str) -> str:
        return _TEXTS[key][page.language]

    page.table([say("sentence"), say("words_by")], [[told.text, told.whose(page.language)] for told in summary.told])
    st.caption(escape_markdown(summary.note(page.language)))
    with st.expander(say("tried")):
        header = [say(key) for key in ("point", "step", "text", "value", "accepted", "against")]
        rows = [
            [told.point.template, *_attempt_cells(attempt, say("yes"), say("no"))]
            for told in summary.told
            for attempt in told.attempts
        ]
        page.table(header, rows)


def _attempt_cells(attempt: Attempt, yes: str, no: str) -> list[str]:
    step = f"{attempt.step} {attempt.by}"
    return [step, attempt.text, f"{attempt.value:.2f}", yes if attempt.accepted else no, "; ".join(attempt.reasons)]
