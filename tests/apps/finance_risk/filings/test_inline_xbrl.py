"""Inline XBRL: read for evaluation, and gone from the page that is read."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from apps.finance_risk.filings import read_filing
from apps.finance_risk.filings.inline_xbrl import strip_inline_xbrl, tagged_numbers, tagged_texts

YEAR = "<xbrli:startDate>2024-01-01</xbrli:startDate><xbrli:endDate>2024-12-31</xbrli:endDate>"
INSTANT = "<xbrli:instant>2024-12-31</xbrli:instant>"
SEGMENT = "<xbrli:entity><xbrli:segment>x</xbrli:segment></xbrli:entity>"


def context(name: str, period: str, entity: str = "") -> str:
    return f'<xbrli:context id="{name}">{entity}<xbrli:period>{period}</xbrli:period></xbrli:context>'


def tag(concept: str, text: str, attributes: str = "", context_name: str = "i") -> str:
    named = f'name="us-gaap:{concept}" contextRef="{context_name}" scale="3"'
    return f"<ix:nonFraction {named} {attributes}>{text}</ix:nonFraction>"


PAGE = f"""<?xml version='1.0'?><html xmlns:ix="x" xmlns:us-gaap="y"><body>
<div style="display:none"><ix:header><ix:hidden>
<ix:nonNumeric name="dei:DocumentType" contextRef="c">10-K</ix:nonNumeric></ix:hidden>
<ix:resources>{context("c", YEAR)}{context("i", INSTANT)}{context("s", INSTANT, SEGMENT)}</ix:resources>
</ix:header></div>
<p>FORM 10-K</p><p>BALANCE SHEETS (In thousands)</p>
<table><tr><td></td><td>December 31, 2024</td></tr>
<tr><td>Total assets</td><td>{tag("Assets", "1,500", 'format="ixt:num-dot-decimal"')} </td></tr>
<tr><td>Total liabilities</td><td>{tag("Liabilities", "900")}</td></tr>
<tr><td>Accumulated deficit</td><td>({tag("RetainedEarningsAccumulatedDeficit", "75", 'sign="-"')})</td></tr>
<tr><td>Long-term debt</td><td>{tag("LongTermDebtNoncurrent", "—", 'format="ixt:fixed-zero"')}</td></tr>
<tr><td>Total equity</td><td>{tag("StockholdersEquity", "600")}</td></tr>
<tr><td>Segment</td><td>{tag("Assets", "7", "", "s")}</td></tr>
<tr><td>Total liabilities and equity</td><td>1,500</td></tr></table></body></html>"""


def test_numbers_carry_scale_sign_and_context_and_dimensions_are_left_out():
    values = {number.concept: number.value for number in tagged_numbers(PAGE, "p")}
    assert values == {
        "Assets": Decimal(1_500_000),
        "Liabilities": Decimal(900_000),
        "RetainedEarningsAccumulatedDeficit": Decimal(-75_000),
        "LongTermDebtNoncurrent": Decimal(0),
        "StockholdersEquity": Decimal(600_000),
    }
    assert {number.context.end for number in tagged_numbers(PAGE, "p")} == {date(2024, 12, 31)}
    assert {number.table for number in tagged_numbers(PAGE, "p")} == {0}


def test_texts():
    assert tagged_texts(PAGE, "p")["DocumentType"] == "10-K"


def test_the_stripped_page_holds_no_tag_and_reads_the_same():
    stripped = strip_inline_xbrl(PAGE, "p")
    assert "ix:" not in stripped and "us-gaap" not in stripped and "contextref" not in stripped
    tagged, bare = read_filing(PAGE.encode(), "p"), read_filing(stripped.encode(), "p")
    assert [(f.concept, f.value) for f in tagged.facts] == [(f.concept, f.value) for f in bare.facts]
    assert bare.fact("retained_earnings").value == -75_000
