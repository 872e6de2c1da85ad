"""The summary of a report: its templates hold facts alone, and advice is refused."""

from __future__ import annotations

import json

import pytest

from apps.finance_risk import product as product_module
from apps.finance_risk.report import analyse, build_sheet, to_plain_data
from apps.finance_risk.report.narrative import narrative_points, tell_report
from core.inference import Completion
from core.prompts.quotation import without_marks
from core.report import to_html, to_markdown, to_text

SAMPLES = product_module._SAMPLES


class Echo:
    """Repeats the template it is given, changed by a function."""

    name = "echo"

    def __init__(self, change=lambda text: text) -> None:
        self.change = change

    def generate(self, prompts, sampling, progress=None):
        asked = [next(turn["content"] for turn in prompt if turn["role"] == "user") for prompt in prompts]
        told = [self.change(without_marks(text.split("\n\n", 1)[1]).strip()) for text in asked]
        return [Completion(text, "stop") for text in told for _ in range(sampling.n)]


@pytest.fixture(scope="module")
def ten_k():
    return analyse(SAMPLES / "harrow-vale-10-k.html")


@pytest.fixture(scope="module")
def eight_k():
    return analyse(SAMPLES / "harrow-vale-8-k.html")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_point_keeps_what_its_template_has(ten_k, eight_k, language):
    for report in (ten_k, eight_k):
        points = narrative_points(report, language)
        assert len({point.name for point in points}) == len(points)
        for point in points:
            assert all(kept.casefold() in point.template.casefold() for kept in point.keeps), point


def test_points_are_facts_of_the_report(ten_k):
    told = {point.name: point.template for point in narrative_points(ten_k, "en")}
    assert "-0.62" in told["score"] and "distress zone" in told["score"]
    assert told["figure_total_assets"].count("308,000,000") == 1
    terms = sorted(ten_k.score.terms, key=lambda term: term.points)
    assert f"{terms[0].points:.3f}" in told["drivers"] and f"{terms[-1].points:.3f}" in told["drivers"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_templates_pass_their_own_checks(ten_k, eight_k, language):
    for report in (ten_k, eight_k):
        told = tell_report(report, language, Echo()).told
        refused = [(point.text, point.reason) for point in told if point.by == "template" and not point.point.fixed]
        assert not refused


def test_sentences_of_a_filing_are_put_to_the_model_as_quotations(eight_k):
    points = [point for point in narrative_points(eight_k, "en") if not point.fixed]
    assert points and all(point.is_quoted == point.name.startswith("event_") for point in points)


@pytest.mark.parametrize(
    ("language", "more"), [("en", " Investors should sell the shares."), ("zh", "建议投资者卖出该股票。")]
)
def test_advice_is_refused(ten_k, language, more):
    for told in tell_report(ten_k, language, Echo(lambda text: text + more)).told:
        assert more.strip() not in told.text
        assert told.point.fixed or not told.attempts[0].accepted


def test_another_number_is_refused(ten_k):
    told = tell_report(
        ten_k, "en", Echo(lambda text: text.replace("-0.62", "0.62").replace("308,000,000", "309,000,000"))
    )
    by = {point.point.name: point.by for point in told.told}
    assert by["score"] == "template" and by["figure_total_assets"] == "template"


def test_this_and_last_year_may_not_change_places(ten_k):
    def swapped(text: str) -> str:
        return text.replace("2024", "x").replace("2023", "2024").replace("x", "2023")

    told = {point.point.name: point for point in tell_report(ten_k, "en", Echo(swapped)).told}
    assert told["figure_revenue"].by == "template" and "2023" in told["figure_revenue"].point.template


def test_the_summary_is_in_every_report_with_whose_words_it_is_in(ten_k):
    summary = tell_report(ten_k, "zh", Echo(lambda text: "" if "最低" in text else text))
    sheet = build_sheet(ten_k, "zh", summary)
    for report in (to_text(sheet), to_markdown(sheet), to_html(sheet)):
        assert "文字摘要" in report and "echo" in report.replace("\\", "") and "模板；模型" in report
    data = json.loads(json.dumps(to_plain_data(ten_k, "zh", summary), ensure_ascii=False))
    assert {point["words_by"] for point in data["summary"]["sentences"]} == {"model", "template"}
    assert "summary" not in to_plain_data(ten_k, "zh")
