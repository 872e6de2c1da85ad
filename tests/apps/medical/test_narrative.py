"""The summary of a diagnosis: no sign, disease, side or advice of the model's own."""

from __future__ import annotations

import json

import pytest

from apps.medical.report import build_sheet, to_plain_data
from apps.medical.report.narrative import narrative_points, other_terms, tell_diagnosis
from core.inference import Completion
from core.report import to_html, to_markdown, to_text


class Echo:
    """Repeats the template it is given, changed by a function."""

    name = "echo"

    def __init__(self, change=lambda text: text) -> None:
        self.change = change

    def generate(self, prompts, sampling, progress=None):
        told = [self.change(prompt[0]["content"].split("\n\n", 1)[1]) for prompt in prompts]
        return [Completion(text, "stop") for text in told for _ in range(sampling.n)]


SAMPLES = [("shaking-hands-zh.txt", "zh"), ("nosebleeds-en.txt", "en"), ("tired-worker-en.txt", "zh")]


def diagnose(doctor, samples, name: str):
    return doctor.diagnose(name, doctor.read(samples[name]))


@pytest.mark.parametrize(("name", "language"), SAMPLES)
def test_the_templates_pass_their_own_checks(doctor, samples, name, language):
    diagnosis = diagnose(doctor, samples, name)
    for point in narrative_points(doctor, diagnosis, language):
        assert all(kept.casefold() in point.template.casefold() for kept in point.keeps), point
    told = tell_diagnosis(doctor, diagnosis, language, Echo()).told
    assert not [(point.text, point.reason) for point in told if point.by == "template" and not point.point.fixed]


def test_warnings_and_limits_are_never_put_to_the_model(doctor, samples):
    told = tell_diagnosis(
        doctor, diagnose(doctor, samples, "tired-worker-en.txt"), "en", Echo(lambda _: "All is well.")
    ).told
    fixed = {point.point.name: point.text for point in told if point.point.fixed}
    assert "fit many diseases" in fixed["warning"] and "no diagnosis" in fixed["limits"]
    assert all(point.by == "template" for point in told)


@pytest.mark.parametrize(
    "more",
    [
        " She should take aspirin.",
        " The diagnosis is confirmed.",
        " Treatment is urgent.",
        " Marfan syndrome is likely.",
        " There is also ataxia.",
    ],
)
def test_what_the_model_adds_is_refused(doctor, samples, more):
    told = tell_diagnosis(
        doctor, diagnose(doctor, samples, "nosebleeds-en.txt"), "en", Echo(lambda text: text + more)
    ).told
    assert not any(more.strip() in point.text for point in told)
    assert all(not point.attempts[0].accepted for point in told if point.attempts)


@pytest.mark.parametrize("more", ["建议手术。", "应当尽快就医。", "考虑马凡综合征。", "还有共济失调。"])
def test_what_the_model_adds_is_refused_in_chinese(doctor, samples, more):
    told = tell_diagnosis(
        doctor, diagnose(doctor, samples, "shaking-hands-zh.txt"), "zh", Echo(lambda text: text + more)
    ).told
    assert not any(more in point.text for point in told)
    assert all(not point.attempts[0].accepted for point in told if point.attempts)


@pytest.mark.parametrize(
    ("name", "language", "one", "other"),
    [("nosebleeds-en.txt", "en", "for it", "against it"), ("shaking-hands-zh.txt", "zh", "支持它", "不支持它")],
)
def test_for_and_against_may_not_change_places(doctor, samples, name, language, one, other):
    def swapped(text: str) -> str:
        return text.replace(other, "\0").replace(one, other).replace("\0", one)

    told = tell_diagnosis(doctor, diagnose(doctor, samples, name), language, Echo(swapped)).told
    candidates = [point for point in told if point.point.name.startswith("candidate")]
    assert candidates and all(point.by == "template" for point in candidates if one in point.point.template)


def test_denied_may_not_become_stated(doctor, samples):
    diagnosis = diagnose(doctor, samples, "shaking-hands-zh.txt")
    told = tell_diagnosis(doctor, diagnosis, "zh", Echo(lambda text: text.replace("没有", "有"))).told
    assert {point.point.name: point.by for point in told}["absent"] == "template"


def test_terms_of_the_facts_alone_may_be_named(doctor):
    assert other_terms(doctor, "She has ataxia and tremor.", "The note states tremor.", "en") == ["ataxia"]
    assert other_terms(doctor, "First is Fabry disease.", "First is Fabry disease.", "en") == []
    assert other_terms(doctor, "考虑法布雷病，有震颤。", "有震颤。", "zh") == ["法布雷病"]


def test_the_summary_is_in_every_report_with_whose_words_it_is_in(doctor, samples):
    diagnosis = diagnose(doctor, samples, "nosebleeds-en.txt")
    summary = tell_diagnosis(doctor, diagnosis, "en", Echo())
    sheet = build_sheet(doctor, diagnosis, "en", summary=summary)
    for report in (to_text(sheet), to_markdown(sheet), to_html(sheet)):
        assert "Summary in sentences" in report and "every sentence supported" in report
    data = json.loads(json.dumps(to_plain_data(doctor, diagnosis, "en", summary=summary), ensure_ascii=False))
    assert data["summary"]["model"] == "echo"
