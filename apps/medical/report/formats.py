"""Rendering a sheet as text, Markdown or a self-contained HTML page.

Everything that came from the note or the knowledge base is escaped; the HTML runs no script and loads nothing.
"""

from __future__ import annotations

from html import escape

from apps.medical.report.sheet import Block, Bullets, Heading, MarkedNote, Paragraph, Sheet, Table
from core.text import escape_markdown

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#111;"
    "background:#fff}"
    "table{border-collapse:collapse}td,th{border:1px solid #9ca3af;padding:.25rem .5rem;text-align:left;"
    "vertical-align:top}.warning{border:2px solid #b45309;padding:.6rem;background:#fffbeb;font-weight:600}"
)


def to_text(sheet: Sheet) -> str:
    """For a terminal. The note itself is not repeated."""
    return "\n".join(line for block in sheet.blocks for line in _text(block)) + "\n"


def _text(block: Block) -> list[str]:
    match block:
        case Heading(level, text):
            return ["", f"{text}", "=" * 60] if level == 1 else ["", text, "-" * 40] if level == 2 else ["", text]
        case Paragraph(text, emphasised):
            return ["", f"!! {text}" if emphasised else text]
        case Bullets(title, items):
            return [f"  {title}:", *(f"    - {item}" for item in items)]
        case Table(_, rows):
            return ["", *(f"  [{row[2]}] {row[0]} → {row[1]} · {' · '.join(row[3:])}" for row in rows)]
        case MarkedNote():
            return []


def to_markdown(sheet: Sheet) -> str:
    """For a Markdown viewer."""
    return "\n".join(line for block in sheet.blocks for line in _markdown(block)) + "\n"


def _markdown(block: Block) -> list[str]:
    match block:
        case Heading(level, text):
            return ["", f"{'#' * level} {escape_markdown(text)}"]
        case Paragraph(text, emphasised):
            return ["", f"**{escape_markdown(text)}**" if emphasised else escape_markdown(text)]
        case Bullets(title, items):
            return ["", f"**{escape_markdown(title)}**", "", *(f"- {escape_markdown(item)}" for item in items)]
        case Table(header, rows):
            lines = [f"| {' | '.join(map(escape_markdown, row))} |" for row in (header, *rows)]
            return ["", lines[0], "|" + "---|" * len(header), *lines[1:]]
        case MarkedNote():
            return []


def to_html(sheet: Sheet) -> str:
    """A page of its own."""
    body = "\n".join(_html(block) for block in sheet.blocks)
    language = "zh-CN" if sheet.language == "zh" else "en"
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(sheet.title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _html(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Paragraph(text, emphasised):
            opening = '<p class="warning">' if emphasised else "<p>"
            return f"{opening}{escape(text)}</p>"
        case Bullets(title, items):
            return f"<p><b>{escape(title)}</b></p><ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"
        case Table(header, rows):
            head = "".join(f"<th scope='col'>{escape(cell)}</th>" for cell in header)
            body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
            return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        case MarkedNote(text, marks, legend):
            from core.ui import Mark, highlight_html

            return highlight_html(text, [Mark(span, label, status) for span, label, status in marks], legend)
