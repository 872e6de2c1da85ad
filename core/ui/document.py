"""A document as a reader expects it, headings, lists and tables in shape, with marks where they stand in its text.

The shape is read by the reader of blocks that cuts passages; all of the text is escaped, so nothing in it becomes
markup. Links and images stay as they are written, address and all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape

from core.report import Mark
from core.report.highlight import apart, legend_html, mark_html
from core.retrieval.blocks import EMPHASIS, Block, Markup, list_items, markup_of, read_blocks, table_cells
from core.text import Document, Span

_BULLETS = "-*+•·"
_CELL = "border:1px solid #9ca3af55;padding:.25rem .6rem;vertical-align:top;text-align:left"


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of text without marks of structure, and the HTML around it."""

    before: str
    span: Span
    after: str
    is_code: bool = False


def document_html(document: Document, marks: Iterable[Mark], legend: Mapping[str, str]) -> str:
    """`document` in shape, preceded by the legend; of overlapping marks the earlier, then the longer is kept.

    Args:
        legend: display name by kind of mark; a mark of a kind that is not in it raises `KeyError`.
    """
    text = document.text
    markup = markup_of(document)
    pieces = [piece for block in read_blocks(text, markup) for piece in _pieces(text, block, markup)]
    kept = apart(marks)
    last = {mark: index for index, piece in enumerate(pieces) for mark in kept if mark.span.overlaps(piece.span)}
    parts = []
    for index, piece in enumerate(pieces):
        ends = {mark: last[mark] == index for mark in kept if mark.span.overlaps(piece.span)}
        parts += [piece.before, _words(text, piece, ends, legend), piece.after]
    return f"{legend_html(legend)}<div style='line-height:1.7;max-width:60rem'>{''.join(parts)}</div>"


def _pieces(text: str, block: Block, markup: Markup) -> Iterator[_Piece]:
    match block.kind:
        case "heading":
            start = text.index(block.title, block.span.start)
            tag = f"h{min(block.level + 2, 6)}"
            yield _Piece(f"<{tag}>", Span(start, start + len(block.title)), f"</{tag}>")
        case "list":
            for marker, body in list_items(text, block):
                indent = marker.start - (text.rfind("\n", 0, marker.start) + 1)
                shown = "•" if marker.of(text) in _BULLETS else escape(marker.of(text))
                yield _Piece(f"<div style='{_hanging(indent)}'>{shown} ", body, "</div>")
        case "table":
            yield from _table(text, block)
        case "code":
            yield _Piece("<pre>", block.span, "</pre>", is_code=True)
        case _:
            lines = "normal" if markup == "markdown" else "pre-line"
            yield _Piece(f"<p style='margin:.7rem 0;white-space:{lines}'>", block.span, "</p>")


def _table(text: str, block: Block) -> Iterator[_Piece]:
    rows = table_cells(text, block)
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            tag = "td" if number else "th"
            before = "<tr>" if column == 0 else ""
            after = "</tr>" if column == len(row) - 1 else ""
            if number == 0 and column == 0:
                before = f"<table style='border-collapse:collapse;margin:.5rem 0'>{before}"
            if number == len(rows) - 1 and after:
                after += "</table>"
            yield _Piece(f"{before}<{tag} style='{_CELL}'>", cell, f"</{tag}>{after}")


def _hanging(indent: int) -> str:
    return f"margin-left:{1.4 + 0.5 * min(indent, 12):.1f}rem;text-indent:-1.2rem"


def _words(text: str, piece: _Piece, ends: Mapping[Mark, bool], legend: Mapping[str, str]) -> str:
    """The words of a piece, its marks drawn in; `ends` says of each whether it ends here, and so has its label here."""
    parts = []
    position = piece.span.start
    emphasis = [] if piece.is_code else list(_emphasis(text, piece.span))
    for mark, is_end in ends.items():
        start, stop = max(mark.span.start, piece.span.start), min(mark.span.end, piece.span.end)
        parts.append(_emphasised(text, Span(position, start), emphasis))
        parts.append(mark_html(mark, _emphasised(text, Span(start, stop), emphasis), legend, labelled=is_end))
        position = stop
    return "".join([*parts, _emphasised(text, Span(position, piece.span.end), emphasis)])


def _emphasis(text: str, span: Span) -> Iterator[tuple[Span, Span]]:
    """Each stretch between marks of emphasis: with these and without."""
    for found in EMPHASIS.finditer(text, span.start, span.end):
        yield Span(*found.span()), Span(*found.span(2))


def _emphasised(text: str, span: Span, emphasis: Iterable[tuple[Span, Span]]) -> str:
    parts = []
    position = span.start
    for whole, inner in emphasis:
        if whole.overlaps(span):
            parts.append(escape(text[position : max(position, whole.start)]))
            words = escape(text[max(inner.start, span.start) : min(inner.end, span.end)])
            parts.append(f"<strong>{words}</strong>" if words else "")
            position = min(whole.end, span.end)
    return "".join([*parts, escape(text[position : span.end])])
