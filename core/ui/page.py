"""What the three pages share: header, language switch, uploads, errors, evidence, tables.

A page is a Streamlit script that makes one `Page` and draws through it, so that the products look and behave alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from html import escape

import streamlit as st

from core.config import settings
from core.errors import TriviumError
from core.evidence import Evidence
from core.files import check_size
from core.report import Mark, highlight_html, table_html
from core.text import Document, Language, escape_markdown
from core.ui.document import document_html

Texts = Mapping[str, Mapping[str, str]]
"""Display text by key, then by language: `{"greeting": {"en": "Hello", "zh": "你好"}}`."""

_SHARED: Texts = {
    "language": {"en": "Language · 语言", "zh": "语言 · Language"},
    "problem": {"en": "This did not work", "zh": "未能完成"},
    "no_evidence": {"en": "No evidence is recorded.", "zh": "没有记录依据。"},
    "limit": {"en": "At most {megabytes} MB.", "zh": "不超过 {megabytes} MB。"},
}
_LANGUAGE_NAMES = {"en": "English", "zh": "中文"}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file a user handed in; its size is within the limit, its content is not to be trusted."""

    name: str
    data: bytes


class Page:
    """One product's page in one run of its script."""

    def __init__(self, *, titles: Mapping[str, str], texts: Texts) -> None:
        self._texts = {**_SHARED, **texts}
        st.set_page_config(page_title=f"{titles['en']} · {titles['zh']}", layout="wide")
        self.language: Language = self._choose_language()
        st.title(titles[self.language])

    def _choose_language(self) -> Language:
        if "language" not in st.session_state:
            st.session_state["language"] = "zh" if (st.context.locale or "").startswith("zh") else "en"
        current = st.session_state["language"]
        chosen = st.sidebar.radio(
            _SHARED["language"][current],
            options=["en", "zh"],
            format_func=_LANGUAGE_NAMES.__getitem__,
            horizontal=True,
            key="language",
        )
        return "zh" if chosen == "zh" else "en"

    def text(self, key: str, **values: object) -> str:
        """The display text of `key` in the current language, `values` filled in."""
        template = self._texts[key][self.language]
        return template.format(**values) if values else template

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Show a `TriviumError` raised in the block as an error box with its hint."""
        try:
            yield
        except TriviumError as error:
            st.error(f"**{self.text('problem')}.** {escape_markdown(error.message)}")
            if error.hint:
                st.info(escape_markdown(error.hint))

    def upload(self, label: str, kinds: Sequence[str], *, key: str) -> Upload | None:
        """A file uploader. Raises `FileTooLarge` or `UnreadableFile` (empty); draw it inside `guard()`."""
        limit = self.text("limit", megabytes=settings().max_upload_mb)
        handed_in = st.file_uploader(label, type=list(kinds), key=key, help=limit)
        if handed_in is None:
            return None
        check_size(handed_in.size, handed_in.name, max_bytes=settings().max_upload_bytes)
        return Upload(handed_in.name, handed_in.getvalue())

    def choose(self, label: str, options: Mapping[str, str], *, key: str, sidebar: bool = False) -> str:
        """One of `options` (display text by name), the first to begin with; the choice is kept under `key`.

        A radio whose texts change with the language forgets in the browser what was chosen, so each language has a
        widget of its own, `{key}_{language}`.
        """
        names = list(options)
        current = st.session_state.get(key)
        chosen = (st.sidebar if sidebar else st).radio(
            label,
            options=names,
            index=names.index(current) if current in names else 0,
            format_func=options.__getitem__,
            horizontal=True,
            key=f"{key}_{self.language}",
        )
        st.session_state[key] = chosen
        return str(chosen)

    def select(self, label: str, options: Sequence[str], *, key: str) -> int:
        """The place of one of `options` (display texts) in a menu, the first to begin with.

        A menu that is offered other texts under its old key goes on showing the old one in the browser, over what
        belongs to the new; so each set of texts has a widget of its own, and another set begins with the first again.
        """
        of_texts = sha256("\0".join(options).encode()).hexdigest()[:16]
        chosen = st.selectbox(label, range(len(options)), format_func=options.__getitem__, key=f"{key}_{of_texts}")
        return int(chosen)

    def highlight(self, text: str, marks: Sequence[Mark], legend: Mapping[str, str]) -> None:
        """`text` with labelled marks and a legend."""
        st.html(highlight_html(text, marks, legend))

    def document(self, document: Document, marks: Sequence[Mark], legend: Mapping[str, str]) -> None:
        """A document in shape, with labelled marks and a legend."""
        st.html(document_html(document, marks, legend))

    def table(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        caption: str = "",
        marked: tuple[int, int] | None = None,
    ) -> None:
        """A table of plain text, optionally with one cell pointed out."""
        st.html(table_html(header, rows, caption=caption, marked=marked))

    def evidence(self, items: Sequence[Evidence]) -> None:
        """Evidence as a list of plain lines."""
        lines = [escape(item.describe(self.language)) for item in items] or [escape(self.text("no_evidence"))]
        st.html(f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>")

    def notice(self, text: str) -> None:
        """A lasting remark such as a disclaimer, always in sight."""
        st.warning(text)
