"""Sheets as Markdown; characters that would format are escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.report.blocks import Block, Bullets, Heading, MarkedText, Paragraph, Sheet, Table
from core.text import escape_markdown


def to_markdown(*sheets: Sheet) -> str:
    """Markdown with all `sheets`. Marked documents are left out."""
    parts = [part for sheet in sheets for part in (f"# {escape_markdown(sheet.title)}", *_parts(sheet.blocks))]
    return "\n\n".join(parts) + "\n"


def _parts(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Heading(text, level):
                yield f"{'#' * level} {escape_markdown(text)}"
            case Paragraph(text, emphasised):
                yield f"**{escape_markdown(text)}**" if emphasised else escape_markdown(text)
            case Bullets(lines, title):
                if title:
                    yield f"**{escape_markdown(title)}**"
                yield "\n".join(f"- {escape_markdown(line)}" for line in lines)
            case Table(header, rows):
                yield "\n".join([_row(header), "|" + " --- |" * len(header), *map(_row, rows)])
            case MarkedText():
                pass


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(escape_markdown, cells))} |"
