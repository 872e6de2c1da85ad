"""A filing's HTML as plain text and tables, in one pass over the tree.

Nothing is executed or fetched: the parser expands no entities beyond HTML's own and opens no network. What is hidden
(`display:none`, the `ix:header` of inline XBRL, scripts, styles) is left out, because a reader of the page does not see
it. Inline-XBRL tags are otherwise transparent: only what is printed counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from apps.finance_risk.filings.grid import GridBuilder, Table
from apps.finance_risk.filings.numbers import RAISED
from core.errors import UnreadableFile
from core.text.spans import Span

_SKIPPED = frozenset(
    ("script", "style", "head", "noscript", "template", "iframe", "object", "svg", "ix:header", "ix:hidden")
)
_BLOCKS = frozenset(
    (
        *("p", "div", "li", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "center", "blockquote", "pre"),
        *("section", "article", "dl", "dt", "dd", "header", "footer", "caption", "form", "body"),
    )
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_INLINE = re.compile(r"display\s*:\s*inline", re.IGNORECASE)
_RAISED = re.compile(r"vertical-align\s*:\s*super|top\s*:\s*-\d", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rendered:
    """Plain text of a document and its tables; all spans are into `text`."""

    text: str
    tables: tuple[Table, ...]


def parse_html(markup: str, name: str) -> Any:
    """The tree of `markup` (an `lxml` element).

    Raises:
        UnreadableFile: no element at all, or a limit of the parser (256 levels, 10 MB in one text) was hit. The parser
            would otherwise drop the rest of the document without a word.
    """
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True, remove_pis=True, recover=True
    )
    root = etree.fromstring(markup.encode("utf-8", errors="replace"), parser)
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        raise UnreadableFile(
            f"'{name}' is nested deeper than 256 levels or holds one text of over 10 MB.",
            hint="No filing is built like this; check where the file comes from.",
        )
    if root is None:
        raise UnreadableFile(f"'{name}' holds no readable HTML.", hint="Save the page again from the browser.")
    return root


def render(root: Any) -> Rendered:
    """Text and tables of the visible part of `root`."""
    writer = _Writer()
    frames: list[_Frame] = []
    tables: list[Table | None] = []
    walk = etree.iterwalk(root, events=("start", "end"))
    hidden = None
    for event, element in walk:
        tag = element.tag
        if event == "start":
            if tag in _SKIPPED or _HIDDEN.search(element.get("style", "")):
                hidden = element
                walk.skip_subtree()
                continue
            _open(tag, element, writer, frames, tables)
            writer.write(element.text)
        else:
            if element is not hidden:
                _close(tag, element, writer, frames, tables)
            writer.write(element.tail)
    text = writer.text()
    return Rendered(text, tuple(table for table in tables if table is not None))


def _open(tag: str, element: Any, writer: _Writer, frames: list[_Frame], tables: list[Table | None]) -> None:
    if tag == "table":
        writer.line()
        if frames:
            frames[-1].is_layout = True
        frames.append(_Frame(len(tables), writer.length))
        tables.append(None)
    elif tag == "tr" and frames:
        frames[-1].start_row(writer)
    elif tag in ("td", "th") and frames:
        frames[-1].start_cell(writer, element)
    elif tag == "br" or _is_block(element):
        writer.line()
    elif tag == "sup" or (tag in ("span", "font") and frames and _RAISED.search(element.get("style", ""))):
        writer.raised()


def _close(tag: str, element: Any, writer: _Writer, frames: list[_Frame], tables: list[Table | None]) -> None:
    if tag == "table" and frames:
        frame = frames.pop()
        frame.end_cell(writer)
        tables[frame.index] = frame.grid.build(
            frame.index, Span(min(frame.start, writer.length), writer.length), is_layout=frame.is_layout
        )
        writer.line()
    elif tag in ("td", "th", "tr") and frames:
        frames[-1].end_cell(writer)
    elif _is_block(element):
        writer.line()
    elif tag == "sup":
        writer.space()


def _is_block(element: Any) -> bool:
    return element.tag in _BLOCKS and not _INLINE.search(element.get("style", ""))


class _Writer:
    """Collects text with white space collapsed; breaks are written only when text follows."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._pending = ""
        self.length = 0
        self.cell_is_empty = False

    def write(self, raw: str | None) -> None:
        if not raw:
            return
        words = raw.split()
        if not words:
            self.space()
            return
        if raw[0].isspace():
            self.space()
        if self.length:
            self._append(self._pending)
        self._pending = ""
        self._append(" ".join(words))
        self.cell_is_empty = False
        if raw[-1].isspace():
            self._pending = " "

    def space(self) -> None:
        self._pending = self._pending or " "

    def raised(self) -> None:
        """A raised mark follows: set apart so that "24" with footnote 1 is neither 241 nor two numbers."""
        if self._pending in ("", " "):
            self._pending = RAISED

    def line(self) -> None:
        if not self.cell_is_empty:
            self._pending = "\n"

    def cell(self, *, first: bool) -> None:
        self._pending = "\n" if first else "\t"
        self.cell_is_empty = True

    def mark(self) -> int:
        """A place to cut from, see `since`."""
        return len(self._parts)

    def since(self, mark: int) -> str:
        return "".join(self._parts[mark:])

    def text(self) -> str:
        return "".join(self._parts)

    def _append(self, piece: str) -> None:
        if piece:
            self._parts.append(piece)
            self.length += len(piece)


@dataclass
class _Frame:
    """A table being read."""

    index: int
    start: int
    grid: GridBuilder = field(default_factory=GridBuilder)
    is_layout: bool = False
    _row_has_text: bool = False
    _cell: tuple[int, int, int, int] | None = None  # parts mark, length, row span, column span

    def start_row(self, writer: _Writer) -> None:
        self.end_cell(writer)
        self.grid.start_row()
        self._row_has_text = False

    def start_cell(self, writer: _Writer, element: Any) -> None:
        self.end_cell(writer)
        writer.cell(first=not self._row_has_text)
        spans = _whole(element.get("rowspan")), _whole(element.get("colspan"))
        self._cell = (writer.mark(), writer.length, *spans)

    def end_cell(self, writer: _Writer) -> None:
        if self._cell is None:
            return
        mark, start, row_span, column_span = self._cell
        self._cell = None
        raw = writer.since(mark)
        text = raw.strip()
        begin = start + (len(raw) - len(raw.lstrip()))
        self.grid.add_cell(text, Span(begin, begin + len(text)), row_span=row_span, column_span=column_span)
        self._row_has_text = self._row_has_text or bool(text)
        writer.cell_is_empty = False


def _whole(value: str | None) -> int:
    """A span attribute as a number of columns; anything unreadable counts as 1."""
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 7 else 1
