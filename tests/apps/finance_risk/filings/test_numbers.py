"""Printed numbers: what is read, what is refused, and that printing and reading agree."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.finance_risk.filings.numbers import is_currency_sign, parse_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234", 1234),
        ("$ 1,234", 1234),
        ("(1,234)", -1234),
        ("$(0.77)", Decimal("-0.77")),
        ("(1,234", -1234),
        ("-310.00", -310),
        ("−310.00", -310),
        ("－310.00", -310),
        ("（450）", -450),
        ("１,２３４", 1234),
        ("¥12.50", Decimal("12.50")),
        ("1,234 (1)", 1234),
        ("61\u202f2", 61),
        ("(61)\u202f(a)", -61),
        ("700 (a)", 700),
        ("—", 0),
        ("$ —", 0),
        ("–", 0),
    ],
)
def test_a_printed_number_is_read(text: str, value: object):
    number = parse_number(text)
    assert number is not None and number.value == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,23",
        "12,34,567",
        "1234,567",
        "2024年",
        "5 to",
        "12.5x",
        "1,234)",
        "Note 5",
        "n/a",
        "1 234",
        "61 58",
        "1.2.3",
        "()",
    ],
)
def test_what_is_no_number_is_refused(text: str):
    assert parse_number(text) is None


def test_a_dash_is_marked_as_nil_and_a_percentage_as_one():
    assert parse_number("—").is_nil
    assert parse_number("12.5%").is_percent and parse_number("(3.5)%").value == Decimal("-3.5")


def test_currency_signs_in_cells_of_their_own():
    assert is_currency_sign("$") and is_currency_sign("$ (") and is_currency_sign("RMB")
    assert not is_currency_sign("(") and not is_currency_sign("$1")


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2), st.booleans())
def test_every_amount_survives_printing(value: Decimal, dollar: bool):
    text = f"{abs(value):,f}"
    text = f"({text})" if value < 0 else text
    assert parse_number(f"$ {text}" if dollar else text).value == value
