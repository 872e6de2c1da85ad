"""Sheets as a self-contained HTML page: everything is escaped, no script runs, nothing is loaded from elsewhere."""

from __future__ import annotations

from html import escape

from core.report.blocks import Block, Bullets, Heading, MarkedText, Paragraph, Sheet, Table
from core.report.highlight import highlight_html
from core.report.spreadsheet import may_be_formula

_WORD_JOINER = "\u2060"  # not seen

_STYLE = (
    "body{font-family:system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem;line-height:1.5;"
    "color:#111;background:#fff}"
    "table{border-collapse:collapse;margin:.5rem 0;font-size:.85rem}"
    "td,th{border:1px solid #9ca3af;padding:.25rem .5rem;text-align:left;vertical-align:top}"
    ".warning{border:2px solid #b45309;padding:.6rem;background:#fffbeb;font-weight:600}"
)


def to_html(*sheets: Sheet) -> str:
    """One page with all `sheets`, in the language and under the title of the first."""
    language = "zh-CN" if sheets and sheets[0].language == "zh" else "en"
    title = escape(sheets[0].title) if sheets else ""
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{_STYLE}</style></head><body>\n{''.join(map(to_html_body, sheets))}</body></html>\n"
    )


def to_html_body(sheet: Sheet) -> str:
    """What stands in the page's body, to be shown inside another page."""
    return "\n".join([f"<h1>{_text(sheet.title)}</h1>", *map(_block, sheet.blocks)]) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{_text(text)}</h{level}>"
        case Paragraph(text, emphasised):
            opening = '<p class="warning">' if emphasised else "<p>"
            return f"{opening}{_text(text)}</p>"
        case Bullets(lines, title):
            heading = f"<p><b>{_text(title)}</b></p>" if title else ""
            return f"{heading}<ul>{''.join(f'<li>{_text(line)}</li>' for line in lines)}</ul>"
        case Table(header, rows):
            head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in header)
            body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
            return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        case MarkedText(text, marks, legend):
            return highlight_html(text, marks, legend)


def _text(text: str) -> str:
    """Escaped. Spreadsheets open pages, too, each cell or paragraph in a cell; none of them begins like a formula."""
    return escape(f"{_WORD_JOINER}{text}" if may_be_formula(text) else text)
