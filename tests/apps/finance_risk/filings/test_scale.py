"""What captions say of the unit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from apps.finance_risk.filings.scale import read_currency, read_label_scale, read_scale


@pytest.mark.parametrize(
    ("text", "money", "shares"),
    [
        ("(In millions, except per share data)", 10**6, 10**6),
        (
            "(In millions, except number of shares, which are reflected in thousands, and per-share amounts)",
            10**6,
            10**3,
        ),
        ("(in thousands, except share and per share data)", 10**3, 1),
        ("(Dollars in thousands)", 10**3, 10**3),
        ("(In thousands, except per-share amounts)", 10**3, 10**3),
        ("($ in millions)", 10**6, 10**6),
        ("(in 000's)", 10**3, 10**3),
        ("RMB'000", 10**3, 10**3),
        ("(Expressed in thousands of U.S. dollars)", 10**3, 10**3),
        ("(amounts in billions of yen)", 10**9, 10**9),
    ],
)
def test_english_captions(text: str, money: int, shares: int):
    scale = read_scale(text)
    assert scale is not None and (scale.money, scale.shares) == (money, shares)


@pytest.mark.parametrize(
    ("text", "money"),
    [
        ("单位：元 币种：人民币", 1),
        ("单位：万元", 10**4),
        ("（金额单位：人民币千元）", 10**3),
        ("单位:百万元", 10**6),
        ("人民币亿元", 10**8),
    ],
)
def test_chinese_captions(text: str, money: int):
    scale = read_scale(text)
    assert scale is not None and scale.money == money


@pytest.mark.parametrize("text", ["CONSOLIDATED BALANCE SHEETS", "December 31, 2024", "millions of people", ""])
def test_what_states_no_scale(text: str):
    assert read_scale(text) is None


def test_a_row_may_state_its_own():
    assert read_label_scale("Weighted average shares (in thousands)") == Decimal(1000)
    assert read_label_scale("Weighted average shares") is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("$", "USD"),
        ("(in thousands of euros)", "EUR"),
        ("RMB in thousands", "CNY"),
        ("单位：元", "CNY"),
        ("单位：万美元", "USD"),
        ("港元", "HKD"),
        ("Canadian dollars", "CAD"),
        ("(In thousands)", None),
    ],
)
def test_currencies(text: str, code: str | None):
    assert read_currency(text) == code
