"""The reader against the tags of public filings, and the suite's own arithmetic."""

from __future__ import annotations

import time

import pytest

from apps.finance_risk.evaluation.suites import ANNUAL_REPORTS, CURRENT_REPORTS, suites
from apps.finance_risk.evaluation.xbrl import compare
from apps.finance_risk.filings import load_filing
from core.data import dataset


def suite(name: str):
    return next(suite for suite in suites() if suite.name == name)


def run(name: str, limit: int | None = None):
    return suite(name).run(limit, lambda done, total: None)


@pytest.mark.data("filings")
def test_key_lines_agree_with_the_tags_and_none_is_wrong():
    outcome = run("xbrl")
    assert outcome.n > 250
    assert outcome.metrics["wrong"].value == 0
    assert outcome.metrics["exact"].value >= 0.95
    assert sum(outcome.metrics[name].value for name in ("exact", "wrong", "missing")) == pytest.approx(1)


@pytest.mark.data("filings")
def test_a_changed_figure_is_caught_as_wrong_or_refused():
    name = ANNUAL_REPORTS[0]
    markup = dataset("filings").file(name).read_bytes()
    broken = markup.replace(b">364,980<", b">346,980<")
    assert broken != markup
    # The tags of the changed page say what it prints, so the gold moves too; the balance no longer closes.
    comparisons, filing = compare(broken, name)
    refused = {c.key.line for c in comparisons if c.refused}
    assert refused and any(fact.is_suspect for fact in filing.facts)


@pytest.mark.data("filings")
def test_covers_agree_with_their_tags():
    assert run("filing-cover").metrics["exact"].value == 1


@pytest.mark.data("filings")
@pytest.mark.parametrize("name", CURRENT_REPORTS)
def test_current_reports_have_items(name: str):
    assert load_filing(dataset("filings").file(name)).items


@pytest.mark.data("filings")
def test_the_largest_filing_is_read_in_about_a_second():
    path = dataset("filings").file("ko-10-k-2025-02-20.html")
    started = time.process_time()
    load_filing(path)
    assert time.process_time() - started < 3  # 0.4 s alone; room for a shared machine


def test_the_own_suite_needs_no_data_and_keeps_its_limit():
    assert suite("finance-risk").data == ()
    assert run("finance-risk", limit=7).n == 7
