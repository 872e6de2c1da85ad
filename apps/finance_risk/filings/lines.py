"""The declared lines of a statement and how a printed row is recognised as one of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from core.errors import InternalError

Statement = Literal["balance_sheet", "income_statement", "cash_flow"]
Unit = Literal["currency", "per_share", "shares"]

STATEMENTS: tuple[Statement, ...] = ("balance_sheet", "income_statement", "cash_flow")
STATEMENT_NAMES: dict[str, dict[str, str]] = {
    "balance_sheet": {"en": "Balance sheet", "zh": "资产负债表"},
    "income_statement": {"en": "Income statement", "zh": "利润表"},
    "cash_flow": {"en": "Cash flow statement", "zh": "现金流量表"},
}
_LINES_FILE = Path(__file__).with_name("lines.yaml")


@dataclass(frozen=True, slots=True)
class LineDefinition:
    """One way of printing a line; a line may have several definitions of the same name, tried in order."""

    name: str
    names: dict[str, str]
    statement: Statement
    labels: tuple[re.Pattern[str], ...]
    unit: Unit = "currency"
    sign: Literal["printed", "amount"] = "printed"
    section: re.Pattern[str] | None = None
    not_section: re.Pattern[str] | None = None
    alias_of: str | None = None
    shown: bool = True
    optional: bool = False

    def rank(self, label: str, section: str) -> int | None:
        """Position of the first pattern that `label` (normalised) matches under heading `section`, or None."""
        if self.section and not self.section.match(section):
            return None
        if self.not_section and self.not_section.search(section):
            return None
        return next((rank for rank, pattern in enumerate(self.labels) if pattern.fullmatch(label)), None)


@cache
def line_definitions() -> tuple[LineDefinition, ...]:
    """All definitions in the order of `lines.yaml`. Raises `InternalError` where the file is not well formed."""
    entries = yaml.safe_load(_LINES_FILE.read_text(encoding="utf-8"))
    return tuple(_definition(entry) for entry in entries)


@cache
def definitions_by_name() -> dict[str, tuple[LineDefinition, ...]]:
    """Definitions grouped by line name, in order."""
    grouped: dict[str, list[LineDefinition]] = {}
    for definition in line_definitions():
        grouped.setdefault(definition.name, []).append(definition)
    return {name: tuple(group) for name, group in grouped.items()}


def line_title(name: str, language: str) -> str:
    """What the line `name` is called in `language`; the last definition is the fullest."""
    return definitions_by_name()[name][-1].names[language]


def line_titles(name: str) -> tuple[str, str]:
    """The English and the Chinese title of the line `name`."""
    return line_title(name, "en"), line_title(name, "zh")


def _definition(entry: dict[str, Any]) -> LineDefinition:
    known = {field.name for field in fields(LineDefinition)}
    if unknown := entry.keys() - known:
        raise InternalError(f"lines.yaml: '{entry.get('name')}' has unknown keys {sorted(unknown)}.")
    values = dict(entry)
    values["labels"] = tuple(re.compile(label) for label in entry["labels"])
    values |= {key: re.compile(entry[key]) for key in ("section", "not_section") if key in entry}
    return LineDefinition(**values)
