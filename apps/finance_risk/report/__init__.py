"""The risk report of a filing: facts, events and score together, as a sheet to be set in a format or as plain data."""

from apps.finance_risk.report.analysis import RiskReport, analyse, analyse_bytes
from apps.finance_risk.report.plain_data import to_plain_data
from apps.finance_risk.report.sheet import build_sheet

__all__ = [
    "RiskReport",
    "analyse",
    "analyse_bytes",
    "build_sheet",
    "to_plain_data",
]
