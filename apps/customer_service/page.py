"""The chat page of customer service: `trivium app customer-service`."""

from __future__ import annotations

from html import escape

import streamlit as st

from apps.customer_service.dialogue import assistant as conversations
from apps.customer_service.dialogue import desk as desks
from apps.customer_service.dialogue.assistant import Assistant, new_conversation
from apps.customer_service.dialogue.graph import Phrase
from apps.customer_service.dialogue.records import AnswerSentence, Citation, Option, Part, Reply, Turn
from apps.customer_service.page_asked import draw_asked
from apps.customer_service.page_texts import SUGGESTIONS, TEXTS, TITLES
from core.report import Mark
from core.text import Span, escape_markdown
from core.ui import Page
from core.ui.attempts import attempt_header, attempt_rows

ICONS = {"answer": "✓", "clarify": "?", "no_answer": "∅", "hand_over": "→", "courtesy": "·"}


@st.cache_resource(show_spinner=False)
def open_shared_assistant() -> Assistant:
    """The assistant, opened once for all visitors of this server."""
    desk = desks.open_desk()
    return Assistant(desk, conversations.connect(conversations.default_store()), phrase=phrase_when_asked)


@st.cache_resource(show_spinner=False)
def open_shared_phraser() -> Phrase:
    """The language model, loaded when somebody first wants it."""
    from apps.customer_service.dialogue.phrasing import open_phraser

    return open_phraser(open_shared_assistant().desk.base.embedder)


def phrase_when_asked(reply: Reply, question: str) -> Reply:
    """Phrasing that loads its model at first use."""
    phrase: Phrase = open_shared_phraser()
    return phrase(reply, question)


def main() -> None:
    """Draw the page."""
    page = Page(titles=TITLES, texts=TEXTS)
    conversation = st.session_state.setdefault("conversation", new_conversation())
    with page.guard():
        with st.spinner(page.text("opening")):
            assistant = open_shared_assistant()
        if draw_view_choice(page) == "asked":
            st.session_state["phrase"] = st.session_state.get("phrase", False)  # a control not drawn is forgotten
            draw_asked(page, assistant)
            return
        phrase = draw_sidebar(page, assistant, conversation)
        said = draw_conversation(page, assistant, conversation)
        typed = st.chat_input(page.text("placeholder"), key="said", max_chars=conversations.MAX_CHARACTERS)
        said = typed or said or st.session_state.pop("wished", None)
        if said:
            answer(page, assistant, conversation, said, phrase=phrase)


def draw_view_choice(page: Page) -> str:
    """Which view is wanted: the conversation, or past questions."""
    views = {name: page.text(f"view_{name}") for name in ("chat", "asked")}
    return page.choose(page.text("view"), views, key="view", sidebar=True)


def draw_sidebar(page: Page, assistant: Assistant, conversation: str) -> bool:
    """The controls; returns whether the language model shall phrase answers."""
    with st.sidebar:
        st.caption(page.text("base", name=assistant.desk.base.name, articles=len(assistant.desk.base.articles)))
        phrase = st.toggle(page.text("phrase"), key="phrase", help=page.text("phrase_help"))
        if st.button(page.text("person"), key="person", width="stretch"):
            st.session_state["wished"] = page.text("person_wish")
        if st.button(page.text("new"), key="new", width="stretch"):
            st.session_state["conversation"] = new_conversation()
            st.rerun()
        if st.button(page.text("delete"), key="delete", width="stretch", help=page.text("delete_help")):
            conversations.forget_conversation(conversation)
            st.session_state["conversation"] = new_conversation()
            st.rerun()
        st.caption(page.text("conversation", name=conversation))
    return phrase


def draw_conversation(page: Page, assistant: Assistant, conversation: str) -> str | None:
    """All turns so far; returns what a button of the last one, or a suggestion, wants said."""
    turns = assistant.turns(conversation)
    if not turns:
        return draw_welcome(page)
    wanted = None
    for number, turn in enumerate(turns):
        wanted = draw_turn(page, assistant, turn, number, last=number == len(turns) - 1) or wanted
    return wanted


def draw_welcome(page: Page) -> str | None:
    """What can be asked, with a few questions to click."""
    st.write(page.text("welcome"))
    wanted = None
    for column, (number, question) in zip(
        st.columns(len(SUGGESTIONS[page.language])), enumerate(SUGGESTIONS[page.language]), strict=True
    ):
        if column.button(escape_markdown(question), key=f"suggestion-{number}", width="stretch"):
            wanted = question
    return wanted


def draw_turn(page: Page, assistant: Assistant, turn: Turn, number: int, *, last: bool) -> str | None:
    """One exchange; its buttons work in the last one only."""
    with st.chat_message("user"):
        st.html(f"<div>{escape(turn.said)}</div>")
    reply = turn.reply
    with st.chat_message("assistant"):
        st.markdown(f"**{ICONS[reply.decision]} {page.text('state_' + reply.decision)}**")
        draw_words(page, reply)
        for notice in reply.notices:
            st.info(escape_markdown(notice))
        if reply.summary:
            with st.expander(page.text("summary"), expanded=last):
                st.html(f"<div style='white-space:pre-wrap'>{escape(reply.summary)}</div>")
        draw_sources(page, assistant, reply, number)
        draw_phrasing(page, reply)
        if reply.parts:
            with st.expander(page.text("why")):
                for part in reply.parts:
                    draw_why(page, part)
                draw_times(page, reply)
        return draw_choices(page, reply, number) if last else None


def draw_words(page: Page, reply: Reply) -> None:
    """The frame and the sentences with their citation numbers, as text that cannot format anything."""
    lines = [escape(line) for line in reply.frame.split("\n") if line]
    lines += [_sentence_html(page, sentence) for sentence in reply.sentences]
    st.html("".join(f"<p style='margin:.2rem 0'>{line}</p>" for line in lines))


def draw_sources(page: Page, assistant: Assistant, reply: Reply, number: int) -> None:
    """Each cited article, with the quoted sentences highlighted in its text."""
    by_article: dict[str, list[Citation]] = {}
    for citation in reply.citations:
        by_article.setdefault(citation.article_id, []).append(citation)
    for article_id, citations in by_article.items():
        numbers = "".join(f"[{citation.number}]" for citation in citations)
        with st.expander(escape_markdown(f"{numbers} {citations[0].title}")):
            article = assistant.desk.base.articles.get(article_id)
            if article and all(article.document.text[one.start : one.end] == one.quote for one in citations):
                marks = [Mark(Span(item.start, item.end), f"[{item.number}]", "quoted") for item in citations]
                page.document(article.document, marks, {"quoted": page.text("quoted")})
            else:  # the article changed since it was quoted
                st.warning(page.text("changed"))
                page.evidence([citation.evidence() for citation in citations])


def draw_phrasing(page: Page, reply: Reply) -> None:
    """What the language model wrote for each sentence, text by text: kept or refused, and why."""
    phrased = [sentence for sentence in reply.sentences if sentence.attempts]
    if not phrased:
        return
    quotes = {citation.number: citation.quote for citation in reply.citations}
    with st.expander(page.text("phrasing")):
        st.caption(page.text("phrasing_help"))
        for sentence in phrased:
            caption = f"[{sentence.citation}] {_told(page, 'quotation', quotes.get(sentence.citation, ''))}"
            page.table(attempt_header(page.language), attempt_rows(sentence.attempts, page.language), caption=caption)


def draw_why(page: Page, part: Part) -> None:
    """How one question was searched and what was found, with every score."""
    st.html(f"<div>{_told(page, 'searched', f'<code>{escape(part.query)}</code>')}</div>")
    cases = page.text("comma").join(f"{page.text('case_' + name)} {value:.2f}" for name, value in part.coverage.items())
    st.html(f"<div>{_told(page, 'coverage', escape(cases))}</div>")
    header = [page.text(key) for key in ("article", "probability", "intent", "lexical", "dense", "fused")]
    rows = [
        [
            found.title,
            f"{found.probability:.2f}",
            "–" if found.topic_probability is None else f"{found.topic} {found.topic_probability:.2f}",
            f"{found.lexical:.2f}",
            f"{found.dense:.3f}",
            f"{found.fused:.3f}",
        ]
        for found in part.found
    ]
    page.table(header, rows)


def draw_times(page: Page, reply: Reply) -> None:
    """The time of each step."""
    steps = [f"{page.text('step_' + name)} {seconds * 1000:.0f} ms" for name, seconds in reply.seconds.items()]
    st.caption(escape_markdown(_told(page, "time", page.text("comma").join(steps))))


def _told(page: Page, key: str, value: str) -> str:
    """What is called `key`, and then `value`, with the language's own colon."""
    return page.text("told", name=page.text(key), value=value)


def draw_choices(page: Page, reply: Reply, number: int) -> str | None:
    """Buttons for the options of a question back, and for related articles; returns what was clicked."""
    wanted = None
    for row, option in enumerate(reply.options):
        wanted = _option_button(option, f"option-{number}-{row}") or wanted
    if reply.related:
        st.caption(page.text("related"))
    for row, title in enumerate(reply.related):
        if st.button(escape_markdown(title), key=f"related-{number}-{row}"):
            wanted = title
    return wanted


def answer(page: Page, assistant: Assistant, conversation: str, said: str, *, phrase: bool) -> None:
    """Ask, and draw the page anew with the reply in it."""
    with st.chat_message("user"):
        st.html(f"<div>{escape(said)}</div>")
    with st.chat_message("assistant"), st.spinner(page.text("thinking")):
        assistant.ask(said, conversation, phrase=phrase)
    st.rerun()


def _option_button(option: Option, key: str) -> str | None:
    return option.title if st.button(escape_markdown(option.title), key=key) else None


def _sentence_html(page: Page, sentence: AnswerSentence) -> str:
    remark = page.text("rewritten") if sentence.rewritten else ""
    if sentence.rejected:
        remark = page.text("kept")
    note = f" <small>({escape(remark)})</small>" if remark else ""
    return f"{escape(sentence.text)} <b>[{sentence.citation}]</b>{note}"


main()
