"""Encodings, submissions, and what the first page says."""

from __future__ import annotations

import pytest

from apps.finance_risk.filings.cover import read_cover
from apps.finance_risk.filings.source import open_source
from core.errors import UnreadableFile


def test_html_and_text_are_told_apart():
    assert open_source(b"<html><body>x</body></html>", "a").kind == "html"
    assert open_source(b"plain words", "a").kind == "text"


def test_a_western_page_is_not_taken_for_chinese():
    page = "<html><meta charset=windows-1252><p>“Company” – Café</p></html>".encode("cp1252")
    assert "“Company” – Café" in open_source(page, "a").content


@pytest.mark.parametrize("data", [b"%PDF-1.7 x", b"PK\x03\x04zip", b"\x00\x01\x02"])
def test_binary_files_are_refused_by_name(data: bytes):
    with pytest.raises(UnreadableFile, match="report"):
        open_source(data, "report")


def test_the_main_document_of_a_submission_is_read_and_the_others_named():
    data = (
        b"<SEC-HEADER>CONFORMED SUBMISSION TYPE: 8-K\nCOMPANY CONFORMED NAME: ACME CORP\n</SEC-HEADER>"
        b"<DOCUMENT>\n<TYPE>EX-99.1\n<TEXT>press</TEXT></DOCUMENT>"
        b"<DOCUMENT>\n<TYPE>8-K\n<TEXT><html><p>FORM 8-K</p></html></TEXT></DOCUMENT>"
    )
    source = open_source(data, "s.txt")
    assert "FORM 8-K" in source.content and "press" not in source.content
    assert source.header["company"] == "ACME CORP"
    assert "EX-99.1" in source.notes[0].text("en")


@pytest.mark.parametrize(
    ("text", "form", "end"),
    [
        ("FORM 10-K\nFor the fiscal year ended September 28, 2024", "10-K", "2024-09-28"),
        ("Form 10‑K/A\nfor the year ended June 30, 2024", "10-K/A", "2024-06-30"),
        (
            "FORM\n10-Q\nFor the quarterly period ended June 29, 2024\nfor the fiscal year ended September 30, 2023",
            "10-Q",
            "2024-06-29",
        ),
        ("FORM 8 - K\nMay 2, 2024\nDate of Report (Date of earliest event reported)", "8-K", "2024-05-02"),
        ("FORM 8-K\nAct of 1934\nDecember 14, 2023\nACME\n(Exact name of registrant", "8-K", "2023-12-14"),
        ("某某股份有限公司\n2024年年度报告", "annual-report-cn", "2024-12-31"),
        ("某某股份有限公司\n2024年半年度报告", "interim-report-cn", "2024-06-30"),
    ],
)
def test_forms_and_dates(text: str, form: str, end: str):
    cover = read_cover(text, "d", {})
    assert cover.form.value == form and cover.period_end.value == end
    assert cover.form.evidence.span.of(text) == cover.form.evidence.quote


def test_the_company_is_the_line_before_the_mark():
    text = "FORM 8-K\nACME WIDGETS, INC.\n(Exact name of registrant as specified in its charter)"
    company = read_cover(text, "d", {}).company
    assert company.value == "ACME WIDGETS, INC." and company.evidence.span.of(text) == company.value


def test_what_is_not_said_is_none():
    cover = read_cover("Hello there", "d", {})
    assert cover.form is None and cover.company is None and cover.period_end is None and cover.end_date is None
