"""Putting a diagnosis into words, in Chinese and English: as a sheet to be set in a format, and as plain data."""

from apps.medical.report.plain_data import to_plain_data
from apps.medical.report.sheet import build_sheet

__all__ = ["build_sheet", "to_plain_data"]
