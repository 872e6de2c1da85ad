"""What the page leaves open and arithmetic can settle: signs, rows between liabilities and equity, missing totals."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from apps.finance_risk.filings.columns import assign
from apps.finance_risk.filings.labels import normalise_label
from apps.finance_risk.filings.model import Check, Fact, Unknown
from apps.finance_risk.filings.rows import Row
from apps.finance_risk.filings.statements import PrintedStatement, StatementPart
from apps.finance_risk.messages import say
from core.evidence import CellEvidence, RuleEvidence

_EQUITY_WORDS = ("equity", "deficit", "capital", "所有者权益", "股东权益")


def settle_signs(facts: list[Fact], statements: tuple[PrintedStatement, ...]) -> list[Fact]:
    """Income tax printed as a deduction, and deficits printed without a minus, get the sign the sums demand."""
    settled = []
    for fact in facts:
        if fact.concept == "income_tax":
            fact = _settle_tax(fact, facts)
        elif fact.concept == "retained_earnings" and fact.value > 0 and _is_pure_deficit(fact):
            fact = _settle_deficit(fact, facts, statements)
        settled.append(fact)
    return settled


def mezzanine(facts: list[Fact], statements: tuple[PrintedStatement, ...]) -> list[Fact]:
    """Rows of figures between total liabilities and the equity section, summed, where no line was recognised there."""
    if any(fact.concept == "temporary_equity" for fact in facts):
        return []
    found = []
    for liabilities in (fact for fact in facts if fact.concept == "total_liabilities"):
        part = _part_of(liabilities, statements)
        if part is None or not isinstance(liabilities.evidence, CellEvidence):
            continue
        rows = _rows_before_equity(part, liabilities.evidence.row)
        cells = [(row, value) for row in rows if (value := _value(part, row, liabilities)) is not None and value]
        if cells:
            names = ", ".join(f"“{row.label}”" for row, _ in cells)
            rule = RuleEvidence("rows between liabilities and equity", f"sum of {names}")
            total = sum((value for _, value in cells), Decimal(0)) * liabilities.scale
            found.append(replace(liabilities, concept="temporary_equity", value=total, evidence=rule, row_label=names))
    return found


def sum_missing_liabilities(facts: list[Fact]) -> list[Fact]:
    """Total liabilities as current + non-current where the page prints both and no total."""
    derived = []
    for current in (fact for fact in facts if fact.concept == "current_liabilities"):
        other = _same_period(facts, "noncurrent_liabilities", current)
        if other is None or _same_period(facts, "total_liabilities", current):
            continue
        rule = RuleEvidence(
            "total liabilities = current + non-current liabilities · 负债合计 = 流动负债 + 非流动负债",
            f"{current.value:,f} + {other.value:,f}",
        )
        derived.append(_derive(current, "total_liabilities", current.value + other.value, rule, (current, other)))
    return derived


def subtract_missing_liabilities(facts: list[Fact]) -> tuple[list[Fact], list[Unknown]]:
    """Total liabilities as total assets − equity where nothing else gives them; refused where an input is suspect.

    Runs after the checks: the difference makes the balance true by construction and must not count as support.
    """
    derived: list[Fact] = []
    unknowns: list[Unknown] = []
    for assets in (fact for fact in facts if fact.concept == "total_assets"):
        equity = _same_period(facts, "equity", assets)
        if equity is None or _same_period(facts, "total_liabilities", assets):
            continue
        inputs = [assets, equity]
        if (minority := _same_period(facts, "noncontrolling_interests", assets)) and _is_parents_only(equity):
            inputs.append(minority)
        if between := _same_period(facts, "temporary_equity", assets):
            inputs.append(between)
        if any(fact.is_suspect for fact in inputs):
            unknowns.append(Unknown("total_liabilities", say("liabilities_not_derived"), assets.period))
            continue
        value = assets.value - sum((fact.value for fact in inputs[1:]), Decimal(0))
        terms = " − ".join(f"{fact.value:,f}" for fact in inputs)
        rule = RuleEvidence("total liabilities = total assets − equity · 负债合计 = 资产总计 − 所有者权益", terms)
        fact = _derive(assets, "total_liabilities", value, rule, tuple(inputs))
        derived.append(replace(fact, notes=(say("note_derived_liabilities"),)))
    return derived, unknowns


def gross_profit_is_direct(facts: list[Fact], statements: tuple[PrintedStatement, ...]) -> bool:
    """No row of figures stands between cost of sales and gross profit."""
    cost = next((fact for fact in facts if fact.concept == "cost_of_sales"), None)
    gross = next((fact for fact in facts if fact.concept == "gross_profit"), None)
    if cost is None or gross is None:
        return True
    if not isinstance(cost.evidence, CellEvidence) or not isinstance(gross.evidence, CellEvidence):
        return True
    if cost.evidence.table != gross.evidence.table or (part := _part_of(cost, statements)) is None:
        return False
    between = range(cost.evidence.row + 1, gross.evidence.row)
    return not any(part.read.rows[index].is_data for index in between)


def _settle_tax(fact: Fact, facts: list[Fact]) -> Fact:
    """Pretax income + tax as printed = net income means the tax was printed as what it is: a deduction."""
    pretax = _same_period(facts, "pretax_income", fact)
    ends = [e for name in ("net_income", "consolidated_net_income") if (e := _same_period(facts, name, fact))]
    if pretax is None or not fact.value:
        return fact
    slack = fact.scale * Decimal("1.5")
    if any(abs(pretax.value + fact.value - end.value) <= slack for end in ends) and not any(
        abs(pretax.value - fact.value - end.value) <= slack for end in ends
    ):
        return replace(fact, value=-fact.value, notes=(*fact.notes, say("note_tax_sign")))
    return fact


def _is_pure_deficit(fact: Fact) -> bool:
    key = normalise_label(fact.row_label)
    return "deficit" in key and "earnings" not in key


def _settle_deficit(fact: Fact, facts: list[Fact], statements: tuple[PrintedStatement, ...]) -> Fact:
    """A deficit without a minus sign: the equity section's own sum says which sign it has, or the number is refused."""
    part = _part_of(fact, statements)
    equity = _same_period(facts, "parent_equity", fact) or _same_period(facts, "equity", fact)
    if part is not None and equity is not None and isinstance(fact.evidence, CellEvidence) and _section(part, fact):
        row = part.read.rows[fact.evidence.row]
        end = equity.evidence.row if isinstance(equity.evidence, CellEvidence) else row.index
        others = [
            value
            for other in part.read.rows[:end]
            if other.section_key == row.section_key and other.index != row.index
            if (value := _value(part, other, fact)) is not None
        ]
        rest = sum(others, Decimal(0)) * fact.scale
        slack = fact.scale * (len(others) + 2) / 2
        if abs(rest - fact.value - equity.value) <= slack:
            return replace(fact, value=-fact.value, notes=(*fact.notes, say("note_deficit_sign")))
        if abs(rest + fact.value - equity.value) <= slack:
            return fact
    check = Check("identity_deficit_sign", False, f"“{fact.row_label}”: {fact.value:,f}")
    return replace(fact, checks=(*fact.checks, check))


def _section(part: StatementPart, fact: Fact) -> str:
    """The heading that the fact's row stands under; empty where there is none."""
    return part.read.rows[fact.evidence.row].section_key if isinstance(fact.evidence, CellEvidence) else ""


def _rows_before_equity(part: StatementPart, start: int) -> list[Row]:
    """Rows of figures after row `start` up to the heading of the equity section; none where there is no heading."""
    rows: list[Row] = []
    for row in part.read.rows[start + 1 :]:
        if row.label and not row.tokens and any(word in row.key for word in _EQUITY_WORDS):
            return rows
        if row.is_data:
            rows.append(row)
    return []


def _value(part: StatementPart, row: Row, like: Fact) -> Decimal | None:
    """The printed number of `row` in the column of `like`'s period, unscaled."""
    for token in row.tokens:
        column = assign(token, part.columns)
        if column is not None and column.period is not None and column.period.key == like.period.key:
            return token.number.value
    return None


def _part_of(fact: Fact, statements: tuple[PrintedStatement, ...]) -> StatementPart | None:
    if not isinstance(fact.evidence, CellEvidence):
        return None
    table = fact.evidence.table
    return next((p for s in statements for p in s.parts if p.read.table.index == table), None)


def _same_period(facts: list[Fact], concept: str, like: Fact) -> Fact | None:
    return next((f for f in facts if f.concept == concept and f.period.key == like.period.key), None)


def _is_parents_only(equity: Fact) -> bool:
    key = normalise_label(equity.row_label)
    return "attributable to" in key or "归属于" in key


def _derive(like: Fact, concept: str, value: Decimal, rule: RuleEvidence, inputs: tuple[Fact, ...]) -> Fact:
    cells = tuple(fact.evidence for fact in inputs if isinstance(fact.evidence, CellEvidence))
    return replace(like, concept=concept, value=value, evidence=rule, inputs=cells, checks=(), notes=(), row_label="")
