"""Identities: what holds supports, what breaks is laid to the numbers nothing else supports."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from apps.finance_risk.filings.identities import check_facts
from apps.finance_risk.filings.model import Fact
from apps.finance_risk.filings.periods import Period
from core.evidence import CellEvidence

INSTANT = Period("instant", date(2024, 12, 31))
YEAR = Period("duration", date(2024, 12, 31), 12)


def fact(concept: str, value: object, *, period: Period = INSTANT, scale: int = 1, printed: str = "1") -> Fact:
    cell = CellEvidence("d", 0, 0, 0, printed)
    return Fact(concept, "balance_sheet", Decimal(str(value)), "USD", period, Decimal(scale), cell)


def statuses(facts: list[Fact]) -> dict[str, str]:
    return {checked.concept: checked.status for checked in check_facts(facts)}


def balance(**changes: int) -> list[Fact]:
    values = {"total_assets": 700, "total_liabilities": 450, "equity": 250, "liabilities_and_equity": 700} | changes
    return [fact(concept, value) for concept, value in values.items()]


def test_a_balance_that_balances_is_sound():
    assert set(statuses(balance()).values()) == {"sound"}


def test_the_number_that_breaks_it_is_blamed_and_the_others_are_not():
    assert statuses(balance(total_assets=790)) == {
        "total_assets": "suspect",
        "total_liabilities": "sound",
        "equity": "sound",
        "liabilities_and_equity": "sound",
    }


def test_without_other_support_all_terms_are_blamed():
    facts = [fact("total_assets", 700), fact("total_liabilities", 450), fact("equity", 200)]
    assert set(statuses(facts).values()) == {"suspect"}


def test_a_row_between_liabilities_and_equity_closes_the_gap():
    assert set(statuses([*balance(total_liabilities=350), fact("temporary_equity", 100)]).values()) == {"sound"}


def test_rounding_is_allowed_and_no_more():
    def parts(total: int) -> dict[str, str]:
        book = {"total_assets": total, "current_assets": 300, "noncurrent_assets": 400}
        return statuses([fact(concept, value * 1000, scale=1000) for concept, value in book.items()])

    assert set(parts(701).values()) == {"sound"}
    assert set(parts(702).values()) == {"suspect"}


def test_rounding_follows_the_decimals_printed():
    def parts(total: str) -> set[str]:
        book = {"total_assets": total, "current_assets": "300.00", "noncurrent_assets": "400.00"}
        return set(statuses([fact(concept, value, printed=value) for concept, value in book.items()]).values())

    assert parts("700.01") == {"sound"}
    assert parts("700.50") == {"suspect"}


def test_a_part_above_its_whole_is_blamed():
    assert statuses([*balance(), fact("inventory", 9100)])["inventory"] == "suspect"


def test_gross_profit_is_left_alone_where_other_rows_stand_between():
    book = {"revenue": 1000, "cost_of_sales": 600, "gross_profit": 350}
    facts = [fact(concept, value, period=YEAR) for concept, value in book.items()]
    assert {checked.status for checked in check_facts(facts)} == {"suspect"}
    assert {checked.status for checked in check_facts(facts, gross_profit_is_direct=False)} == {"unchecked"}


def test_soft_relations_support_and_never_blame():
    book = {"pretax_income": 140, "income_tax": 40, "net_income": 70}
    facts = [fact(concept, value, period=YEAR) for concept, value in book.items()]
    assert {checked.status for checked in check_facts(facts)} == {"unchecked"}
    fitting = [replace(f, value=Decimal(100)) if f.concept == "net_income" else f for f in facts]
    assert {checked.status for checked in check_facts(fitting)} == {"sound"}


def test_shares_off_by_a_thousand_are_blamed():
    book = {
        "pretax_income": 6000,
        "income_tax": 1500,
        "net_income": 4500,
        "eps_basic": "1.50",
        "shares_basic": 3_000_000,
    }
    assert statuses([fact(concept, value, period=YEAR) for concept, value in book.items()])["shares_basic"] == "suspect"


def test_numbers_of_different_periods_are_never_compared():
    other = replace(fact("liabilities_and_equity", 1), period=Period("instant", date(2023, 12, 31)))
    assert statuses([fact("total_assets", 700), other]) == {
        "total_assets": "unchecked",
        "liabilities_and_equity": "unchecked",
    }


@given(st.integers(0, 10**9), st.integers(-(10**9), 10**9))
def test_any_true_balance_is_sound(liabilities: int, equity: int):
    total = liabilities + equity
    book = {"total_assets": total, "total_liabilities": liabilities, "equity": equity, "liabilities_and_equity": total}
    assert set(statuses([fact(concept, value) for concept, value in book.items()]).values()) == {"sound"}
