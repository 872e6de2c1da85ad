"""Words and number formats of the report."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from pathlib import Path

import yaml

from apps.finance_risk.filings import Fact
from core.evidence import CellEvidence

TEXTS_FILE = Path(__file__).with_name("texts.yaml")


@cache
def texts() -> dict[str, dict[str, str]]:
    """Display texts by key, then by language."""
    return yaml.safe_load(TEXTS_FILE.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def word(key: str, language: str, *values: object) -> str:
    """The text of `key` in `language`, `values` filled in."""
    return texts()[key][language].format(*values)


def amount(value: Decimal) -> str:
    """Thousands separated; decimals only where there are any."""
    whole = value == value.to_integral_value()
    return f"{value.to_integral_value():,f}" if whole else f"{value:,f}"


def address(cell: CellEvidence) -> str:
    """Table, row and column of a cell, counted from 1."""
    return f"t{cell.table + 1} r{cell.row + 1} c{cell.column + 1}"


def fact_address(fact: Fact) -> str:
    """Where a fact was read, or the cells it was derived from."""
    if isinstance(fact.evidence, CellEvidence):
        return address(fact.evidence)
    return " · ".join(address(cell) for cell in fact.inputs)
