"""Pledges, guarantees, lawsuits, defaults and loans that a filing tells of, and who and how much they name."""

from apps.finance_risk.matters.declared import KindOfMatter, Role, declared_kinds, role_names
from apps.finance_risk.matters.reading import Matter, MatterReading, Term, find_matters

__all__ = [
    "KindOfMatter",
    "Matter",
    "MatterReading",
    "Role",
    "Term",
    "declared_kinds",
    "find_matters",
    "role_names",
]
