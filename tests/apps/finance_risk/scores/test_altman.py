"""Z'': hand-worked values, its sources, and when it is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.finance_risk.evaluation.documents import notation_to_html
from apps.finance_risk.filings import Filing, read_filing
from apps.finance_risk.scores import altman_z_double_prime
from core.evidence import CellEvidence

PAGE = """FORM 10-K
CONSOLIDATED BALANCE SHEETS
(In millions)
| | December 31, 2024
| Total current assets | {ca}
| Total assets | {ta}
| Total current liabilities | {cl}
| Total liabilities | {tl}
| Retained earnings | {re}
| Total equity | {eq}
| Total liabilities and equity | {ta}

CONSOLIDATED STATEMENTS OF INCOME
(In millions)
| | Year ended December 31, 2024
| Net sales | 900
| Operating income | {oi}
| Income before income taxes | 40
| Net income | 30
"""
GOOD = {"ca": 400, "ta": 1000, "cl": 300, "tl": 600, "re": 200, "eq": 400, "oi": 50}


def filing(**changes: object) -> Filing:
    markup = notation_to_html(PAGE.format(**(GOOD | changes)))
    return read_filing(f"<html><body>{markup}</body></html>".encode(), "f.html")


def test_the_hand_worked_value():
    score = altman_z_double_prime(filing())
    # 6.56*100/1000 + 3.26*200/1000 + 6.72*50/1000 + 1.05*400/600
    assert score.value == Decimal("0.656") + Decimal("0.652") + Decimal("0.336") + Decimal("0.7")
    assert score.zone == "grey"
    assert [term.substitution for term in score.terms] == [
        "(400,000,000 − 300,000,000) / 1,000,000,000",
        "200,000,000 / 1,000,000,000",
        "50,000,000 / 1,000,000,000",
        "400,000,000 / 600,000,000",
    ]


def test_every_number_of_the_score_has_its_cell():
    for term in altman_z_double_prime(filing()).terms:
        assert term.facts and all(isinstance(fact.evidence, CellEvidence) for fact in term.facts)


@pytest.mark.parametrize(("oi", "zone"), [(-300, "distress"), (50, "grey"), (100, "safe")])
def test_zones(oi: int, zone: str):
    assert altman_z_double_prime(filing(oi=oi if oi >= 0 else f"({-oi})")).zone == zone


@settings(max_examples=25)
@given(st.integers(1, 999), st.integers(0, 900), st.integers(0, 500))
def test_it_equals_the_formula_in_floats(liabilities: int, retained: int, operating: int):
    changes = {"tl": liabilities, "eq": 1000 - liabilities, "re": retained, "oi": operating, "cl": 0, "ca": 250}
    expected = (
        6.56 * 0.25 + 3.26 * retained / 1000 + 6.72 * operating / 1000 + 1.05 * (1000 - liabilities) / liabilities
    )
    assert float(altman_z_double_prime(filing(**changes)).value) == pytest.approx(expected)


def test_a_number_that_breaks_an_identity_is_not_used():
    score = altman_z_double_prime(filing(eq=390))
    assert score.value is None and "score_suspect" in {reason.key for reason in score.reasons}


def test_what_is_missing_is_named_in_both_languages():
    score = altman_z_double_prime(filing(re=""))
    assert score.value is None
    assert "Retained earnings" in score.reasons[0].text("en") and "未分配利润" in score.reasons[0].text("zh")


def test_without_assets_or_with_none_there_is_no_score():
    assert altman_z_double_prime(read_filing(b"FORM 10-K nothing else", "f.txt")).value is None
    assert altman_z_double_prime(filing(ta=0, ca=0, tl=0, eq=0, cl=0, re=0)).reasons[0].key == "score_not_positive"


def test_banks_are_refused_with_the_lines_that_show_it():
    page = PAGE.format(**GOOD).replace(
        "| Total current assets", "| Deposits | 500\n| Loans, net | 450\n| Total current assets"
    )
    score = altman_z_double_prime(read_filing(f"<html>{notation_to_html(page)}</html>".encode(), "f.html"))
    assert score.value is None and score.reasons[0].key == "score_bank"
    assert {cell.row_label for cell in score.reason_evidence} == {"Deposits", "Loans, net"}
