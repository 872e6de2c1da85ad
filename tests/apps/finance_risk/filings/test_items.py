"""Items: headings found, entries of a table of contents and references left out."""

from __future__ import annotations

import time
from itertools import pairwise

from apps.finance_risk.filings.items import find_items, item_names

TEN_K = """FORM 10-K
Item 1.\tBusiness\t3
Item 1A.\tRisk Factors\t9
Item 7.\tManagement’s Discussion\t20
Item 1. Business
We make paper, and have made it since 1911 in two mills on one river in the north.
Item 1A. Risk Factors
The river may run dry. See Item 7 below.
Item 7.
Management’s Discussion and Analysis
Costs rose because pulp became dearer.
SIGNATURES
Nobody."""


def test_headings_win_over_their_entries_and_spans_cover_the_items():
    items = find_items(TEN_K, "10-K")
    assert [item.number for item in items] == ["1", "1A", "7"]
    assert items[0].body.of(TEN_K).strip().startswith("We make paper")
    assert items[2].title == "Management’s Discussion and Analysis"
    assert items[2].body.of(TEN_K).strip() == "Costs rose because pulp became dearer."
    assert all(before.span.end <= after.span.start for before, after in pairwise(items))


def test_an_eight_k_keeps_two_decimals_and_ends_at_the_signatures():
    text = "FORM 8-K\nItem\n5.02\tDeparture of Directors\nShe left.\nITEM 9.01(d). Exhibits\n99.1\nSIGNATURE\nx"
    items = find_items(text, "8-K")
    assert [(item.number, item.title) for item in items] == [("5.02", "Departure of Directors"), ("9.01", "Exhibits")]
    assert items[1].body.of(text).strip() == "99.1"


def test_an_unknown_form_has_no_items():
    assert find_items(TEN_K, "S-1") == () and find_items("", "10-K") == ()


def test_chinese_sections():
    text = "目录\n第一节 释义 3\n第二节 财务报告 9\n第一节 释义\n公司指本公司。\n第二节 财务报告\n见后文所附各表。"
    assert [item.title for item in find_items(text, "annual-report-cn")] == ["释义", "财务报告"]


def test_a_page_of_nothing_but_item_lines_ends_soon():
    started = time.process_time()
    find_items("Item 1. Business\n" * 3000, "10-K")
    assert time.process_time() - started < 10


def test_every_item_is_named_in_both_languages():
    for form in ("10-K", "10-Q", "8-K"):
        assert all(set(names) == {"en", "zh"} for names in item_names(form).values())
