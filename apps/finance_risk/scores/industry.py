"""Whether a filing is of a bank, an insurer or a securities firm, for which distress scores are not made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from apps.finance_risk.filings import Filing
from apps.finance_risk.filings.rows import read_rows
from core.evidence import CellEvidence, Evidence

_FILE = Path(__file__).with_name("industries.yaml")
_TYPICAL_LINES = 2  # "deposits" or "premiums" alone occur in other businesses
_MAX_LABEL_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class FinancialIndustry:
    """A financial industry and what shows that the filing is of it."""

    name: str
    names: dict[str, str]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    names: dict[str, str]
    sic: tuple[tuple[int, int], ...]
    labels: tuple[re.Pattern[str], ...]


@cache
def _rules() -> tuple[_Rule, ...]:
    entries = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return tuple(
        _Rule(
            name,
            entry["names"],
            tuple((low, high) for low, high in entry["sic"]),
            tuple(re.compile(label) for label in entry["labels"]),
        )
        for name, entry in entries.items()
    )


def financial_industry(filing: Filing) -> FinancialIndustry | None:
    """The financial industry of `filing`, or None where nothing shows one."""
    code = filing.cover.industry_code
    for rule in _rules():
        if code is not None and any(low <= int(code.value) <= high for low, high in rule.sic):
            return FinancialIndustry(rule.name, rule.names, (code.evidence,))
    for rule in _rules():
        cells = _typical_cells(filing, rule)
        if len(cells) >= _TYPICAL_LINES:
            return FinancialIndustry(rule.name, rule.names, tuple(cells.values()))
    return None


def _typical_cells(filing: Filing, rule: _Rule) -> dict[int, CellEvidence]:
    """The first row of the statements that matches each of the rule's labels, by position of the label."""
    found: dict[int, CellEvidence] = {}
    for index in (table for info in filing.statements for table in info.tables):
        for row in read_rows(filing.tables[index]):
            if not row.is_data or not row.key or len(row.key) > _MAX_LABEL_CHARACTERS:
                continue
            for position, pattern in enumerate(rule.labels):
                if position not in found and pattern.fullmatch(row.key):
                    column = row.tokens[0].cell.column
                    found[position] = CellEvidence(filing.name, index, row.index, column, row.tokens[0].text, row.label)
    return found
