"""Filings as facts: HTML or text in, items, statements and numbers with their cells out."""

from apps.finance_risk.filings.model import Check, Cover, Fact, Filing, Item, Named, StatementInfo, Unknown
from apps.finance_risk.filings.periods import Period
from apps.finance_risk.filings.read import NotAFiling, load_filing, read_filing

__all__ = [
    "Check",
    "Cover",
    "Fact",
    "Filing",
    "Item",
    "Named",
    "NotAFiling",
    "Period",
    "StatementInfo",
    "Unknown",
    "load_filing",
    "read_filing",
]
