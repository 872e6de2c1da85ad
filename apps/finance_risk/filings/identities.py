"""Accounting identities as a gate: a number that breaks one is never passed on as sound.

Hard identities must hold wherever their lines are printed; lines that may stand between the terms (mezzanine equity,
minority interests) are tried with and without. Soft relations, which lawful statements may break (tax and net income
with discontinued operations between), only ever support a number.

Rounding: each printed term is off by up to half a unit of its scale, so a sum of k terms may be off by k/2 units; a
difference beyond that is an error in the page or in the reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain, combinations

from apps.finance_risk.filings.model import Check, Fact
from core.evidence import CellEvidence

GROSS_PROFIT = "identity_gross_profit"
Terms = tuple[tuple[int, str], ...]
Book = dict[str, Fact]


@dataclass(frozen=True, slots=True)
class Identity:
    """`left` equals the signed sum of `terms`, with any of `optional` added where printed; `name` is a message key."""

    name: str
    left: str
    terms: Terms
    optional: Terms = ()
    hard: bool = True


IDENTITIES = (
    Identity("identity_assets_total", "total_assets", ((1, "liabilities_and_equity"),)),
    Identity(
        "identity_liabilities_equity",
        "liabilities_and_equity",
        ((1, "total_liabilities"), (1, "equity")),
        ((1, "temporary_equity"), (1, "noncontrolling_interests")),
    ),
    Identity(
        "identity_assets_sum",
        "total_assets",
        ((1, "total_liabilities"), (1, "equity")),
        ((1, "temporary_equity"), (1, "noncontrolling_interests")),
    ),
    Identity(
        "identity_assets_split",
        "total_assets",
        ((1, "current_assets"), (1, "noncurrent_assets")),
    ),
    Identity(
        "identity_liabilities_split",
        "total_liabilities",
        ((1, "current_liabilities"), (1, "noncurrent_liabilities")),
    ),
    Identity(
        "identity_equity_split",
        "equity",
        ((1, "parent_equity"), (1, "noncontrolling_interests")),
        hard=False,
    ),
    Identity(GROSS_PROFIT, "gross_profit", ((1, "revenue"), (-1, "cost_of_sales"))),
    Identity(
        "identity_operating_gross",
        "operating_income",
        ((1, "gross_profit"), (-1, "operating_expenses")),
        hard=False,
    ),
    Identity(
        "identity_operating_revenue",
        "operating_income",
        ((1, "revenue"), (-1, "operating_expenses")),
        hard=False,
    ),
    Identity(
        "identity_net_income",
        "net_income",
        ((1, "pretax_income"), (-1, "income_tax")),
        hard=False,
    ),
    Identity(
        "identity_net_income",
        "consolidated_net_income",
        ((1, "pretax_income"), (-1, "income_tax")),
        hard=False,
    ),
)
# `(smaller, larger)`: a part cannot exceed the whole it is part of.
BOUNDS = (
    ("current_assets", "total_assets"),
    ("cash", "total_assets"),
    ("receivables", "total_assets"),
    ("inventory", "total_assets"),
    ("current_liabilities", "total_liabilities"),
    ("long_term_debt", "total_liabilities"),
    ("noncurrent_assets", "total_assets"),
)
# Earnings per share times shares is far from net income only where a scale was misread (thousands for millions), so
# the band is wide: preferred dividends and participating shares move the ratio by per cents, a scale by a thousand.
_EPS_BAND = (Decimal("0.5"), Decimal(2))
_EPS_SMALLEST = Decimal("0.05")  # below this, rounding to cents alone can move the ratio by a tenth


def check_facts(facts: list[Fact], *, gross_profit_is_direct: bool = True) -> list[Fact]:
    """`facts` with the checks each took part in.

    A broken identity is laid to those of its numbers that no other identity supports; where all are supported, to all.

    Args:
        gross_profit_is_direct: no other row of figures stands between cost of sales and gross profit; where one does,
            their difference may be lawful and is not held against them.
    """
    checks: dict[int, list[Check]] = {id(fact): list(fact.checks) for fact in facts}
    broken: list[tuple[Check, list[Fact]]] = []
    for period in {fact.period.key: None for fact in facts}:
        book = {fact.concept: fact for fact in facts if fact.period.key == period}
        for check, members in _checks(book):
            if check.holds:
                for member in members:
                    checks[id(member)].append(check)
            elif gross_profit_is_direct or check.identity != GROSS_PROFIT:
                broken.append((check, members))
    supported = {key for key, held in checks.items() if held}
    for check, members in broken:
        blamed = [member for member in members if id(member) not in supported] or members
        for member in blamed:
            checks[id(member)].append(check)
    return [replace(fact, checks=tuple(checks[id(fact)])) for fact in facts]


def _checks(book: Book) -> Iterator[tuple[Check, list[Fact]]]:
    for identity in IDENTITIES:
        result = _evaluate(identity, book)
        if result is not None and (result[0].holds or identity.hard):
            yield result
    for small, large in BOUNDS:
        if small in book and large in book and book[small].value > book[large].value + book[large].scale:
            explanation = f"{small} {_money(book[small])} > {large} {_money(book[large])}"
            yield Check("identity_bound", False, explanation), [book[small], book[large]]
    yield from _net_income_in_both(book)
    yield from _per_share(book)


def _evaluate(identity: Identity, book: Book) -> tuple[Check, list[Fact]] | None:
    if identity.left not in book or any(name not in book for _, name in identity.terms):
        return None
    left = book[identity.left]
    optional = [(sign, name) for sign, name in identity.optional if name in book]
    for extra in _subsets(optional):
        terms = (*identity.terms, *extra)
        total = sum((sign * book[name].value for sign, name in terms), Decimal(0))
        members = [left, *(book[name] for _, name in terms)]
        if abs(left.value - total) <= _tolerance(members):
            return Check(identity.name, True, _sum_text(left, terms, book, total)), members
    terms = identity.terms
    total = sum((sign * book[name].value for sign, name in terms), Decimal(0))
    members = [left, *(book[name] for _, name in terms)]
    return Check(identity.name, False, _sum_text(left, terms, book, total)), members


def _subsets(items: list[tuple[int, str]]) -> Iterable[tuple[tuple[int, str], ...]]:
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


def _tolerance(members: list[Fact]) -> Decimal:
    """Half a printed unit a term."""
    return sum((_printed_unit(member) for member in members), Decimal(0)) / 2


def _printed_unit(fact: Fact) -> Decimal:
    """The value of the last digit printed: scale, times a tenth for each decimal."""
    if not isinstance(fact.evidence, CellEvidence):
        return fact.scale
    decimals = fact.evidence.text.partition(".")[2]
    return fact.scale.scaleb(-sum(1 for character in decimals if character.isdigit()))


def _net_income_in_both(book: Book) -> Iterator[tuple[Check, list[Fact]]]:
    """The cash flow statement starts from the income statement's net income, with or without minorities."""
    start = book.get("cash_flow_net_income")
    ends = [book[name] for name in ("net_income", "consolidated_net_income") if name in book]
    if start is None or not ends:
        return
    for end in ends:
        if abs(start.value - end.value) <= _tolerance([start, end]):
            yield Check("identity_both_statements", True, f"{_money(start)} = {_money(end)}"), [start, end]
            return
    explanation = f"{_money(start)} ≠ {_money(ends[0])}"
    yield Check("identity_both_statements", False, explanation), [start, *ends]


def _per_share(book: Book) -> Iterator[tuple[Check, list[Fact]]]:
    for kind in ("basic", "diluted"):
        eps, shares, income = (book.get(name) for name in (f"eps_{kind}", f"shares_{kind}", "net_income"))
        if eps is None or shares is None or income is None or not income.value:
            continue
        if abs(eps.value) < _EPS_SMALLEST or shares.value <= 0:
            continue
        ratio = eps.value * shares.value / income.value
        holds = _EPS_BAND[0] <= ratio <= _EPS_BAND[1]
        explanation = f"{eps.value} × {shares.value:,f} / {_money(income)} = {ratio:.3g}"
        yield Check("identity_per_share", holds, explanation), [eps, shares, income]


def _sum_text(left: Fact, terms: Terms, book: Book, total: Decimal) -> str:
    parts = "".join(f" {'+' if sign > 0 else '−'} {_money(book[name])}" for sign, name in terms).removeprefix(" + ")
    relation = "=" if abs(left.value - total) == 0 else ("≈" if _near(left, terms, book, total) else "≠")
    return f"{_money(left)} {relation} {parts}" + ("" if relation == "=" else f" (Δ {left.value - total:,f})")


def _near(left: Fact, terms: Terms, book: Book, total: Decimal) -> bool:
    return abs(left.value - total) <= _tolerance([left, *(book[name] for _, name in terms)])


def _money(fact: Fact) -> str:
    return f"{fact.value:,f}"
