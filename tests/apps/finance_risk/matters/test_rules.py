"""Which sentences tell of a matter, and what rules read of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.finance_risk import product as product_module
from apps.finance_risk.evaluation.roles import cases, counts, folded, read_case
from apps.finance_risk.filings import load_filing
from apps.finance_risk.matters import declared_kinds, find_matters
from apps.finance_risk.matters.reading import kind_of, read_matter
from apps.finance_risk.matters.rules import read_roles
from apps.finance_risk.matters.values import find_values, fits
from core.text import Span, detect_language

SAMPLES = product_module._SAMPLES


def roles(sentence: str) -> dict[str, str]:
    kind = kind_of(sentence)
    assert kind is not None
    return {name: span.of(sentence) for name, span in read_roles(kind, sentence).items()}


def test_parties_and_figures_of_a_pledge():
    sentence = "2024年3月5日，控股股东华岭控股有限公司将其持有的1,200万股股份质押给东川银行，占其所持股份的18.5%。"
    assert roles(sentence) == {
        "pledgor": "华岭控股有限公司",
        "pledgee": "东川银行",
        "shares": "1,200万股",
        "ratio": "18.5%",
        "date": "2024年3月5日",
    }


def test_the_month_of_may_is_no_possibility():
    sentence = "On May 6, 2024, Ashdown Corp. borrowed $9 million from Kestrel Bank."
    assert roles(sentence)["lender"] == "Kestrel Bank" and roles(sentence)["date"] == "May 6, 2024"
    assert kind_of("Ashdown Corp. may have borrowed $9 million from Kestrel Bank.") is None


def test_of_two_amounts_none_is_taken():
    assert "amount" not in roles("公司向东川银行借款3亿元，其中1亿元已到账。")


def test_a_sentence_without_a_figure_or_date_is_no_matter():
    assert kind_of("公司与银行保持良好的借款合作。") is None


@pytest.mark.parametrize("sentence", [case["text"] for case in cases() if case["kind"] == "none"])
def test_denials_and_possibilities_are_no_matters(sentence: str):
    assert kind_of(sentence) is None


def test_rules_rarely_err_on_the_own_set():
    rows = [counts(case, read_case(case)) for case in cases()]
    right, wrong, missed = (sum(column) for column in zip(*rows, strict=True))
    assert right / (right + wrong) >= 0.97 and right / (right + missed) >= 0.6


def test_the_own_set_names_what_stands_in_its_sentences():
    kinds = {kind.name: {role.name for role in kind.roles} for kind in declared_kinds()}
    for case in cases():
        for role, value in case.get("roles", {}).items():
            assert role in kinds[case["kind"]] and value in case["text"], case
    languages = [detect_language(case["text"]) for case in cases()]
    assert min(languages.count("zh"), languages.count("en")) >= 18


def test_a_role_read_for_another_is_wrong_and_missed():
    case = {"text": "", "kind": "loan", "roles": {"lender": "Elm Bank", "borrower": "B Corp."}}
    kind = next(kind for kind in declared_kinds() if kind.name == "loan")
    matter = read_matter(kind, "On May 6, 2024, Elm Bank borrowed $1 million from B Corp. and others.", "d", 0)
    assert {term.role.name: term.evidence.quote for term in matter.terms}["borrower"] == "Elm Bank"
    right, wrong, missed = counts(case, matter)
    assert (right, missed) == (0, 2) and wrong >= 2


def test_the_company_has_many_names():
    assert folded("the Company") == folded("本公司") == "公司"


@given(st.text(max_size=80))
def test_values_stand_where_they_are_said_to(text: str):
    for kind in ("money", "shares", "ratio", "date"):
        for span in find_values(kind, text):
            assert any(character.isdigit() for character in span.of(text))


def test_a_figure_within_an_amount_stands_for_all_of_it():
    sentence = "质押1,200万股。"
    assert fits("shares", Span(2, 7), sentence) == Span(2, 9)
    assert fits("party", Span(2, 7), sentence) is None and fits("money", Span(2, 7), sentence) is None


def test_an_amount_in_yuan_holds_its_unit():
    for amount in ("人民币17,934,616.14元", "人民币5,500万元", "人民币3亿", "人民币800"):
        sentence = f"涉案金额为{amount}。"
        assert [span.of(sentence) for span in find_values("money", sentence)] == [amount]


def test_matters_of_an_announcement_lead_back_to_its_text():
    filing = load_filing(SAMPLES / "chenghe-pledge-announcement.html")
    reading = find_matters(filing)
    assert [matter.kind.name for matter in reading.matters] == ["pledge", "pledge", "guarantee", "lawsuit"]
    for matter in reading.matters:
        assert matter.sentence.span.of(filing.text) == matter.sentence.quote
        for term in matter.terms:
            assert term.evidence.span.of(filing.text) == term.evidence.quote and term.read_by == "rule"


def test_annual_reports_on_form_10_k_are_not_looked_at():
    assert find_matters(load_filing(SAMPLES / "harrow-vale-10-k.html")).matters == ()


def test_a_long_hostile_line_is_read_in_time():
    kind = declared_kinds()[0]
    assert read_roles(kind, "股东" * 150 + "质押给" * 60) is not None
