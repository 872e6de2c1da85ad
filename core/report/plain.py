"""Sheets as text for a terminal, which may be narrow; Chinese characters take two of its columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from core.report.blocks import Block, Bullets, Heading, MarkedText, Paragraph, Sheet, Table
from core.terminal import line_for_terminal

_WIDTH = 150
_NARROWEST = 8


def to_text(*sheets: Sheet, width: int = _WIDTH) -> str:
    """`sheets` one after another, at most `width` columns wide. Marked documents are left out."""
    return "\n".join("\n".join(_lines(sheet, width)) + "\n" for sheet in sheets)


def _lines(sheet: Sheet, width: int) -> Iterator[str]:
    title = line_for_terminal(sheet.title)
    yield from _wrap(title, width)
    yield "=" * min(width, display_width(title))
    for block in sheet.blocks:
        yield from _block(block, width)


def _block(block: Block, width: int) -> Iterator[str]:
    match block:
        case Heading(text, level):
            lines = _wrap(text, width)
            yield from ["", *lines]
            if level == 2:
                yield "-" * max(map(display_width, lines))
        case Paragraph(text, emphasised):
            yield from _wrap(f"!! {text}" if emphasised else text, width)
        case Bullets(entries, title):
            if title:
                yield from _wrap(f"{title}:", width)
            for entry in entries:
                first, *rest = _wrap(entry, width - 2)
                yield f"- {first}"
                yield from (f"  {more}" for more in rest)
        case Table(header, rows):
            yield from _grid(header, rows, width)
        case MarkedText():
            pass


def display_width(text: str) -> int:
    """Terminal columns that `text` takes."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    cells = [[" ".join(cell.split()) for cell in row] for row in ([header, *rows] if any(header) else rows)]
    widths = _fit([max(display_width(row[i]) for row in cells) for i in range(len(header))], width - 2 * len(header))
    lines: list[str] = []
    for row in cells:
        wrapped = [_wrap(cell, size) for cell, size in zip(row, widths, strict=True)]
        for index in range(max(map(len, wrapped))):
            pieces = [column[index] if index < len(column) else "" for column in wrapped]
            line = "  ".join(p + " " * (size - display_width(p)) for p, size in zip(pieces, widths, strict=True))
            lines.append(line.rstrip())
    return lines


def _fit(widths: list[int], room: int) -> list[int]:
    """Shrink the widest columns until all fit."""
    widths = [max(1, size) for size in widths]
    while sum(widths) > room and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, broken at spaces or between Chinese characters."""
    lines: list[str] = []
    current = ""
    for word in _breakable(line_for_terminal(text)):
        while display_width(word.strip()) > width:
            room = max(1, width - display_width(current))
            head = _take(word, room)
            lines.append((current + head).strip())
            current, word = "", word[len(head) :]
        if display_width((current + word).rstrip()) > width:
            lines.append(current.strip())
            current = word.lstrip()
        else:
            current += word
    lines.append(current.strip())
    return [line for line in lines if line] or [""]


def _breakable(text: str) -> list[str]:
    """Pieces after which a line may end."""
    pieces: list[str] = []
    current = ""
    for char in text:
        current += char
        if char == " " or unicodedata.east_asian_width(char) in "WF":
            pieces.append(current)
            current = ""
    return [*pieces, current] if current else pieces


def _take(text: str, columns: int) -> str:
    """The longest head of `text` within `columns`, at least one character."""
    used = 0
    for index, char in enumerate(text):
        used += display_width(char)
        if used > columns:
            return text[: max(1, index)]
    return text
