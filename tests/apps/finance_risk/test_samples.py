"""The sample filings: their books balance, and they are read without a gap."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from apps.finance_risk import product as product_module
from apps.finance_risk.report import analyse
from core.products import Product

SAMPLES = Path(product_module.__file__).parent / "samples"


@pytest.mark.parametrize("name", ["harrow-vale-10-k.html", "chenghe-2024-annual-report.html"])
def test_no_figure_of_a_sample_breaks_an_identity(name: str):
    facts = analyse(SAMPLES / name).filing.facts
    assert facts and not any(fact.is_suspect for fact in facts)
    assert {fact.concept for fact in facts if fact.status == "sound"} >= {"total_assets", "total_liabilities", "equity"}


def test_the_english_sample():
    report = analyse(SAMPLES / "harrow-vale-10-k.html")
    assert [item.number for item in report.filing.items] == ["1", "1A", "3", "7", "8", "9A", "10", "15"]
    assert report.filing.fact("revenue").value == 268_400_000
    assert report.filing.unknowns == ()
    assert report.score.zone == "distress"
    expected = (
        Decimal("6.56") * 400 / 308_000
        + Decimal("3.26") * -68_900 / 308_000
        + Decimal("6.72") * -9_400 / 308_000
        + Decimal("1.05") * 69_800 / 238_200
    )
    assert abs(report.score.value - expected) < Decimal("1e-20")


def test_the_current_report():
    report = analyse(SAMPLES / "harrow-vale-8-k.html")
    assert [(event.item, event.severity) for event in report.events.events] == [("2.04", 5), ("5.02", 3)]
    assert report.filing.cover.end_date == date(2025, 4, 14)
    assert report.filing.facts == () and report.score.value is None


def test_the_chinese_sample_is_the_consolidated_one():
    report = analyse(SAMPLES / "chenghe-2024-annual-report.html")
    assert report.language == "zh"
    assert report.filing.fact("total_assets").value == 2_000_000_000
    assert report.filing.fact("net_income").value == 140_000_000
    assert report.score.zone == "safe"


def test_the_demo_is_short_and_shows_evidence(capsys: pytest.CaptureFixture[str]):
    product: Product = product_module.product
    product.demo()
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) < 60
    flat = " ".join(printed.split())
    assert "distress zone" in flat and "[t3 r13 c3]" in flat and "an event of default has occurred" in flat
