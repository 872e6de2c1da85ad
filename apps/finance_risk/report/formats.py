"""A sheet as terminal text, Markdown or a self-contained HTML page. All text is escaped for its format."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from html import escape

from apps.finance_risk.report.sheet import Bullets, Grid, Heading, Paragraph, Sheet
from core.terminal import line_for_terminal
from core.text import escape_markdown

_TERMINAL_WIDTH = 150
_NARROWEST = 8
_STYLE = (
    "body{font-family:system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem;line-height:1.5}"
    "table{border-collapse:collapse;margin:.5rem 0;font-size:.85rem}"
    "td,th{border:1px solid #bbb;padding:.25rem .5rem;text-align:left;vertical-align:top}"
)


def to_html(sheets: Sequence[Sheet]) -> str:
    """One page with all sheets; no scripts, nothing loaded from elsewhere."""
    language = {"zh": "zh-CN"}.get(sheets[0].language, "en") if sheets else "en"
    title = escape(sheets[0].title) if sheets else ""
    body = "".join(_sheet_html(sheet) for sheet in sheets)
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _sheet_html(sheet: Sheet) -> str:
    parts = [f"<h1>{escape(sheet.title)}</h1>"]
    for block in sheet.blocks:
        match block:
            case Heading(text):
                parts.append(f"<h2>{escape(text)}</h2>")
            case Paragraph(text):
                parts.append(f"<p>{escape(text)}</p>")
            case Bullets(lines):
                parts.append(f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>")
            case Grid(header, rows):
                head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
                body = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in rows)
                parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    return "\n".join(parts)


def to_markdown(sheets: Sequence[Sheet]) -> str:
    """Markdown with all sheets; characters that would format are escaped."""
    parts: list[str] = []
    for sheet in sheets:
        parts.append(f"# {escape_markdown(sheet.title)}")
        for block in sheet.blocks:
            match block:
                case Heading(text):
                    parts.append(f"## {escape_markdown(text)}")
                case Paragraph(text):
                    parts.append(escape_markdown(text))
                case Bullets(lines):
                    parts.append("\n".join(f"- {escape_markdown(line)}" for line in lines))
                case Grid(header, rows):
                    lines_ = [_markdown_row(header), "|" + " --- |" * len(header), *map(_markdown_row, rows)]
                    parts.append("\n".join(lines_))
    return "\n\n".join(parts) + "\n"


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escape_markdown(cell) for cell in cells) + " |"


def to_text(sheet: Sheet, *, width: int = _TERMINAL_WIDTH) -> str:
    """A sheet for the terminal, at most `width` columns wide; Chinese characters take two."""
    title = line_for_terminal(sheet.title)
    parts = [*_wrap(title, width), "=" * min(width, display_width(title))]
    for block in sheet.blocks:
        match block:
            case Heading(text):
                lines = _wrap(text, width)
                parts += ["", *lines, "-" * max(map(display_width, lines))]
            case Paragraph(text):
                parts += _wrap(text, width)
            case Bullets(entries):
                for entry in entries:
                    first, *rest = _wrap(entry, width - 2)
                    parts += [f"- {first}", *(f"  {more}" for more in rest)]
            case Grid(header, rows):
                parts += _text_grid(header, rows, width)
    return "\n".join(parts) + "\n"


def display_width(text: str) -> int:
    """Terminal columns that `text` takes."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _text_grid(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
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
