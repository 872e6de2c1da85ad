"""Dates and durations in column headings."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.finance_risk.filings.periods import (
    Period,
    find_chinese_year_end,
    find_dates,
    find_month_days,
    find_months,
    find_years,
    in_year,
    normalise,
)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("September 28, 2024", date(2024, 9, 28)),
        ("Sept. 28,2024", date(2024, 9, 28)),
        ("as of Dec 31, 2023 (restated)", date(2023, 12, 31)),
        ("31 December 2023", date(2023, 12, 31)),
        ("2024-06-30", date(2024, 6, 30)),
        ("12/31/2024", date(2024, 12, 31)),
        ("2024年12月31日", date(2024, 12, 31)),
        ("二〇二四年 12月31日", date(2024, 12, 31)),
    ],
)
def test_full_dates(text: str, day: date):
    assert find_dates(normalise(text)) == [day]


def test_what_looks_like_a_date_and_is_none():
    assert find_dates("February 31, 2024") == []
    assert find_dates("Item 5, 2024") == []


@pytest.mark.parametrize(
    ("text", "months"),
    [
        ("Three Months Ended", 3),
        ("Nine Months Ended September 30,", 9),
        ("Years ended December 31,", 12),
        ("Fiscal 2024", 12),
        ("52 Weeks Ended", 12),
        ("Thirteen weeks ended", 3),
        ("Thirty-nine weeks ended", 9),
        ("First Quarter of Fiscal Year 2024", 3),
        ("2024年度", 12),
        ("2024年1-6月", 6),
        ("2024年1—12月", 12),
        ("2024年半年度", 6),
        ("前三季度", 9),
        ("2024年12月31日", None),
        ("As of June 30", None),
    ],
)
def test_durations(text: str, months: int | None):
    assert find_months(normalise(text)) == months


def test_years_are_not_amounts():
    assert find_years("2024 2023") == [2024, 2023]
    assert find_years("$2,024 and 2024.50 and 12/31/2024") == []


def test_month_days():
    assert find_month_days("December 31, 2024 and June 30,") == [(12, 31), (6, 30)]
    assert find_month_days("12月31日") == [(12, 31)]


def test_chinese_years_end_with_their_last_month():
    assert find_chinese_year_end("2024年度") == date(2024, 12, 31)
    assert find_chinese_year_end("2024年1-9月") == date(2024, 9, 30)
    assert find_chinese_year_end("2024年度 2023年度") is None


@given(st.integers(1990, 2060))
def test_a_month_end_stays_one_in_every_year(year: int):
    assert in_year(year, 2, 28).month == 2 and in_year(year, 2, 28) == max(
        date(year, 2, day) for day in range(1, 29 + (year % 4 == 0))
    )


def test_periods_of_one_key_are_the_same_however_they_were_read():
    printed = Period("instant", date(2024, 12, 31))
    assert printed.key == Period("instant", date(2024, 12, 31), None, 2024).key
    assert printed.key != Period("duration", date(2024, 12, 31), 12).key
    assert Period("duration", None, 12, 2023).sort_key < Period("duration", date(2024, 12, 31), 12).sort_key
