"""Facts from the statements found: for each declared line and each period, one number with its cell, or why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from apps.finance_risk.filings.columns import Column, assign
from apps.finance_risk.filings.lines import LineDefinition, definitions_by_name, line_definitions
from apps.finance_risk.filings.matching import LineRow
from apps.finance_risk.filings.model import Fact, Unknown
from apps.finance_risk.filings.rows import Row, Token
from apps.finance_risk.filings.scale import read_label_scale
from apps.finance_risk.filings.statements import PrintedStatement, StatementPart
from apps.finance_risk.messages import Message, say
from core.evidence import CellEvidence


@dataclass(frozen=True, slots=True)
class _Chosen:
    part: StatementPart
    match: LineRow


def read_facts(statements: tuple[PrintedStatement, ...], document_id: str) -> tuple[list[Fact], list[Unknown]]:
    """Facts and unknowns of all declared lines. Nothing is derived or checked here."""
    by_statement = {printed.statement: printed for printed in statements}
    facts: list[Fact] = []
    unknowns: list[Unknown] = []
    for name, definitions in definitions_by_name().items():
        statement = definitions[0].statement
        printed = by_statement.get(statement)
        if printed is None:
            unknowns.append(Unknown(name, say(f"no_{statement}")))
            continue
        chosen = _choose(printed, name)
        if isinstance(chosen, Message):
            unknowns.append(Unknown(name, chosen))
            continue
        for outcome in _read_row(printed, chosen, name, document_id):
            (facts if isinstance(outcome, Fact) else unknowns).append(outcome)  # type: ignore[arg-type]
    return _without_aliases(facts), unknowns


def _choose(printed: PrintedStatement, name: str) -> _Chosen | Message:
    """The row that prints line `name`, or why there is none."""
    rivals = [_Chosen(part, match) for part in printed.parts for match in part.read.lines.get(name, ())]
    if not rivals:
        return say("no_row")
    best = min(rival.match.rank for rival in rivals)
    rivals = [rival for rival in rivals if rival.match.rank == best]
    values = {tuple(token.number.value for token in rival.match.row.tokens) for rival in rivals}
    if len(values) > 1:
        labels = ", ".join(f"{rival.match.row.index + 1} “{rival.match.row.label}”" for rival in rivals[:3])
        return say("rival_rows", labels)
    return rivals[0]


def _read_row(printed: PrintedStatement, chosen: _Chosen, name: str, document_id: str) -> Iterator[Fact | Unknown]:
    columns, row = chosen.part.columns, chosen.match.row
    placed: dict[int, list[Token]] = {}
    for token in row.tokens:
        column = assign(token, columns)
        if column is not None:
            placed.setdefault(columns.index(column), []).append(token)
    if not any(column.period for column in columns):
        reasons = sorted({column.reason for column in columns if column.reason}, key=lambda reason: reason.key)
        texts = tuple("; ".join(reason.text(language) for reason in reasons) or "–" for language in ("en", "zh"))
        yield Unknown(name, say("no_period", texts))
        return
    for index, column in enumerate(columns):
        if column.period is None:
            continue
        tokens = placed.get(index, [])
        if len(tokens) != 1:
            yield Unknown(name, say("two_numbers" if tokens else "empty_cell", row.label), column.period)
        elif tokens[0].number.is_percent:
            yield Unknown(name, say("per_cent", row.label), column.period)
        else:
            yield _fact(printed, chosen, name, column, tokens[0], document_id)


def _fact(
    printed: PrintedStatement, chosen: _Chosen, name: str, column: Column, token: Token, document_id: str
) -> Fact | Unknown:
    definition, row = chosen.match.definition, chosen.match.row
    if definition.unit == "per_share" and "cent" in row.label.lower().split():
        return Unknown(name, say("in_cents", row.label), column.period)
    assert column.period is not None
    scale, notes = _scale(printed, definition, row)
    value = token.number.value
    if definition.sign == "amount" and value < 0:
        value = -value
        notes.append(say("note_deduction"))
    if column.period.basis is not None:
        notes.append(column.period.basis)
    if token.number.is_nil:
        notes.append(say("note_nil"))
    return Fact(
        concept=name,
        statement=printed.statement,
        value=value * scale,
        unit=_unit(definition, printed.currency),
        period=column.period,
        scale=scale,
        evidence=cell_evidence(chosen.part, row, column, token, document_id, printed.title),
        notes=tuple(notes),
        row_label=row.label,
    )


def cell_evidence(
    part: StatementPart, row: Row, column: Column, token: Token, document_id: str, title: str
) -> CellEvidence:
    """The cell of `token`, addressed by the grid's row and column."""
    return CellEvidence(
        document_id=document_id,
        table=part.read.table.index,
        row=row.index,
        column=token.cell.column,
        text=token.text,
        row_label=row.label,
        column_label=column.heading,
        table_title=title,
    )


def _scale(printed: PrintedStatement, definition: LineDefinition, row: Row) -> tuple[Decimal, list[Message]]:
    if definition.unit == "per_share":
        return Decimal(1), []
    own = read_label_scale(row.label) or (read_label_scale(row.section) if definition.unit == "shares" else None)
    if own is not None:
        return own, [say("note_row_scale")]
    notes: list[Message] = []
    if printed.scale.basis == "none":
        notes.append(say("note_no_scale"))
    elif printed.scale.basis == "sibling":
        notes.append(say("note_sibling_scale"))
    return (printed.scale.shares if definition.unit == "shares" else printed.scale.money), notes


def _unit(definition: LineDefinition, currency: str | None) -> str:
    if definition.unit == "shares":
        return "shares"
    code = currency or "?"
    return f"{code}/share" if definition.unit == "per_share" else code


def _without_aliases(facts: list[Fact]) -> list[Fact]:
    """A line that reads the same cell as the line it is an alias of is that line, and is not reported twice."""
    aliases = {d.name: d.alias_of for d in line_definitions() if d.alias_of}
    cells = {(fact.concept, fact.evidence) for fact in facts}
    return [fact for fact in facts if (aliases.get(fact.concept, ""), fact.evidence) not in cells]
