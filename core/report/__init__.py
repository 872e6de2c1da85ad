"""Reports: headings, paragraphs, lists and tables, set as terminal text, Markdown or an HTML page; tables as CSV."""

from core.report.blocks import Block, Bullets, Heading, MarkedText, Paragraph, Sheet, Table
from core.report.highlight import Mark, highlight_html, table_html
from core.report.html import to_html, to_html_body
from core.report.markdown import to_markdown
from core.report.plain import to_text
from core.report.spreadsheet import to_csv

__all__ = [
    "Block",
    "Bullets",
    "Heading",
    "Mark",
    "MarkedText",
    "Paragraph",
    "Sheet",
    "Table",
    "highlight_html",
    "table_html",
    "to_csv",
    "to_html",
    "to_html_body",
    "to_markdown",
    "to_text",
]
