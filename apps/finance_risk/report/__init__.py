"""The risk report of a filing: facts, events and score together, as text, Markdown, HTML or JSON."""

from apps.finance_risk.report.analysis import RiskReport, analyse, analyse_bytes
from apps.finance_risk.report.formats import to_html, to_markdown, to_text
from apps.finance_risk.report.plain_data import to_plain_data
from apps.finance_risk.report.sheet import build_sheet

__all__ = [
    "RiskReport",
    "analyse",
    "analyse_bytes",
    "build_sheet",
    "to_html",
    "to_markdown",
    "to_plain_data",
    "to_text",
]
