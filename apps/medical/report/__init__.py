"""Putting a diagnosis into words: text, Markdown, HTML, JSON; in Chinese and English."""

from apps.medical.report.formats import to_html, to_markdown, to_text
from apps.medical.report.plain_data import to_plain_data
from apps.medical.report.sheet import build_sheet

__all__ = ["build_sheet", "to_html", "to_markdown", "to_plain_data", "to_text"]
