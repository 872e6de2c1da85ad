"""What of a document can be cited: its sentences, list items, steps and table rows, each with its span."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from core.privacy import find_injections
from core.retrieval.blocks import EMPHASIS, Block, read_blocks
from core.text import Document, Span, split_sentences

Kind = Literal["sentence", "item", "step", "row"]

_MARKER = re.compile(r"[ \t]*(?:[-*+•·]|\(?\d{1,3}[.)、])[ \t]*")
_NUMBERED = re.compile(r"[ \t]*\(?\d{1,3}[.)、]")
_RULE_ROW = re.compile(r"[\s|:-]+")


@dataclass(frozen=True, slots=True)
class CitableSentence:
    """The smallest thing that is quoted.

    Attributes:
        text: for display: without list marker and emphasis, a table row as "row: column: value".
        span: of the quotation in the document.
        heading: the heading it stands under, "" before the first one.
        block: number of the block it is in; steps of one list share it.
    """

    text: str
    span: Span
    kind: Kind
    heading: str
    block: int

    @property
    def in_context(self) -> str:
        """The text under its heading: what is compared with a question."""
        return f"{self.heading}: {self.text}" if self.heading else self.text

    @property
    def leads(self) -> bool:
        """Whether it stands before the first heading, where an article gives its short answer."""
        return not self.heading


def citable_sentences(document: Document) -> list[CitableSentence]:
    """The citable sentences of `document`, in order.

    Left out: headings, code, lines that only introduce a list ("The reasons are:"), and sentences that try to
    instruct the system.
    """
    found: list[CitableSentence] = []
    heading = ""
    plain = document.metadata.get("format", "markdown") not in ("markdown", "html", "docx")
    for number, block in enumerate(read_blocks(document.text, "plain" if plain else "markdown")):
        if block.kind == "heading":
            heading = block.title if block.title != document.title else heading
        elif block.kind != "code":
            found += _of_block(document.text, block, heading, number)
    return [sentence for sentence in found if not find_injections(sentence.text)]


def _of_block(text: str, block: Block, heading: str, number: int) -> list[CitableSentence]:
    if block.kind == "table":
        return _rows(text, block, heading, number)
    if block.kind == "list":
        return _items(text, block, heading, number)
    spans = [span.shift(block.span.start) for span in split_sentences(block.span.of(text))]
    return [
        CitableSentence(_plain(span.of(text)), span, "sentence", heading, number)
        for span in spans
        if not span.of(text).rstrip("*").endswith((":", "："))
    ]


def _items(text: str, block: Block, heading: str, number: int) -> list[CitableSentence]:
    """Steps are cited whole, other items sentence by sentence."""
    found = []
    starts = [match.start() for match in re.finditer(rf"^{_MARKER.pattern}", block.span.of(text), re.M)] or [0]
    for start, stop in zip(starts, [*starts[1:], len(block.span)], strict=True):
        item = block.span.of(text)[start:stop].rstrip()
        offset = block.span.start + start
        marker = _MARKER.match(item)
        body_start = marker.end() if marker else 0
        if _NUMBERED.match(item):
            span = Span(offset + body_start, offset + len(item))
            found.append(CitableSentence(_plain(span.of(text)), span, "step", heading, number))
            continue
        for sentence in split_sentences(item[body_start:]):
            span = sentence.shift(offset + body_start)
            found.append(CitableSentence(_plain(span.of(text)), span, "item", heading, number))
    return [sentence for sentence in found if len(sentence.span)]


def _rows(text: str, block: Block, heading: str, number: int) -> list[CitableSentence]:
    lines = []
    position = block.span.start
    for line in block.span.of(text).splitlines(keepends=True):
        stripped = line.strip()
        if stripped and not _RULE_ROW.fullmatch(stripped):
            lines.append(Span(position + line.index(stripped), position + line.index(stripped) + len(stripped)))
        position += len(line)
    header = _cells(lines[0].of(text)) if lines else []
    return [
        CitableSentence(_row_text(header, _cells(span.of(text))), span, "row", heading, number) for span in lines[1:]
    ]


def _cells(line: str) -> list[str]:
    return [_plain(cell) for cell in line.strip("|").split("|")]


def _row_text(header: list[str], cells: list[str]) -> str:
    """ "Limit a day: EUR 500" where there are two columns, else each value with the name of its column."""
    if len(cells) <= 2:
        return ": ".join(cells)
    named = [f"{name} {cell}" if name else cell for name, cell in zip(header[1:], cells[1:], strict=False)]
    return f"{cells[0]}: {'; '.join(named)}"


def _plain(text: str) -> str:
    return " ".join(EMPHASIS.sub(r"\2", text).split())
