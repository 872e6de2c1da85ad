"""Which declared line each row of a table prints."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from apps.finance_risk.filings.grid import Table
from apps.finance_risk.filings.lines import LineDefinition, definitions_by_name, line_definitions
from apps.finance_risk.filings.rows import Row, read_rows

# The longest label of a line in the wild is a share count with its par value; longer text is prose, and patterns must
# not be run over it.
MAX_LABEL_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class LineRow:
    """A row recognised as a line. `rank` orders rivals: smaller is the better label."""

    definition: LineDefinition
    row: Row
    rank: int


@dataclass(frozen=True, slots=True)
class ReadTable:
    """A table with its rows read and its lines recognised, by line name, best rank first."""

    table: Table
    rows: tuple[Row, ...]
    lines: dict[str, tuple[LineRow, ...]]

    def names(self, statement: str) -> set[str]:
        """Lines of `statement` that the table prints."""
        return {name for name, rows in self.lines.items() if rows[0].definition.statement == statement}


def read_table(table: Table) -> ReadTable:
    """Rows and lines of `table`."""
    rows = read_rows(table)
    found: dict[str, list[LineRow]] = {}
    for row in rows:
        if row.is_data and row.key:
            for name, match in _matches(row.key, row.section_key).items():
                found.setdefault(name, []).append(LineRow(match[0], row, match[1]))
    return ReadTable(table, rows, {name: tuple(sorted(m, key=lambda r: r.rank)) for name, m in found.items()})


@lru_cache(maxsize=20_000)
def _matches(label: str, section: str) -> dict[str, tuple[LineDefinition, int]]:
    """Every line that `label` under `section` may print, with the best definition and its rank."""
    if len(label) > MAX_LABEL_CHARACTERS or not _may_match(label):
        return {}
    matches: dict[str, tuple[LineDefinition, int]] = {}
    for name, definitions in definitions_by_name().items():
        offset = 0
        for definition in definitions:
            rank = definition.rank(label, section[:MAX_LABEL_CHARACTERS])
            if rank is not None:
                matches[name] = (definition, offset + rank)
                break
            offset += len(definition.labels)
    return matches


@lru_cache(maxsize=20_000)
def _may_match(label: str) -> bool:
    return any(pattern.fullmatch(label) for definition in line_definitions() for pattern in definition.labels)
