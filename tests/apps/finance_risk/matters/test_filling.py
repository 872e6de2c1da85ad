"""What stands of a model's answer: located, of the right kind, no other role's, no contradiction of a rule."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from apps.finance_risk.matters.filling import fill_roles, role_schema
from apps.finance_risk.matters.reading import MatterReading, kind_of, read_matter
from core.inference import Completion

SENTENCE = "本次质押的420万股由瑞宁投资持有，接受质押的机构是北江信托。"
START = 100


class Scripted:
    """Answers every prompt with the same text."""

    name = "scripted"

    def __init__(self, **answer: str) -> None:
        self.text = json.dumps(answer, ensure_ascii=False)
        self.prompts: list[str] = []

    def generate(self, prompts, sampling, progress=None):
        self.prompts += [prompt[0]["content"] for prompt in prompts]
        return [Completion(self.text, "stop") for _ in prompts]


def reading(sentence: str = SENTENCE) -> MatterReading:
    kind = kind_of(sentence)
    assert kind is not None
    return MatterReading((read_matter(kind, sentence, "a.html", START),))


def answer(**values: str) -> dict[str, str]:
    return {"pledgor": "", "pledgee": "", "shares": "", "ratio": "", "date": "", **values}


def filled(sentence: str = SENTENCE, **values: str):
    (matter,) = fill_roles(reading(sentence), Scripted(**answer(**values))).matters
    return {term.role.name: (term.evidence.quote, term.read_by) for term in matter.terms}, matter.dropped


def test_open_roles_are_filled_with_what_stands_in_the_sentence():
    terms, dropped = filled(pledgor="瑞宁投资", pledgee="北江信托")
    assert terms == {
        "pledgor": ("瑞宁投资", "model"),
        "pledgee": ("北江信托", "model"),
        "shares": ("420万股", "rule"),
    }
    assert dropped == 0


def test_places_are_in_the_filing():
    (matter,) = fill_roles(reading(), Scripted(**answer(pledgor="瑞宁投资"))).matters
    term = next(term for term in matter.terms if term.role.name == "pledgor")
    assert term.evidence.span.start == START + SENTENCE.index("瑞宁投资") and term.evidence.document_id == "a.html"


@pytest.mark.parametrize(
    "values",
    [
        {"pledgor": "东川银行"},  # stands nowhere
        {"ratio": "18.5%"},  # stands nowhere
        {"ratio": "420"},  # a share count, no ratio
        {"pledgor": "420万股"},  # a figure, no party
        {"date": "瑞宁投资"},  # a party, no date
    ],
)
def test_what_does_not_stand_or_fit_is_dropped_and_counted(values: dict[str, str]):
    terms, dropped = filled(**values)
    assert set(terms) == {"shares"} and dropped == 1


def test_one_text_is_not_two_roles():
    terms, dropped = filled(pledgor="瑞宁投资", pledgee="瑞宁投资")
    assert set(terms) == {"shares", "pledgor"} and dropped == 1


def test_what_rules_read_is_not_changed():
    terms, _ = filled(shares="420", pledgor="瑞宁投资")
    assert terms["shares"] == ("420万股", "rule")


def test_an_answer_that_contradicts_a_rule_gives_no_party():
    sentence = "2024年6月30日，华岭控股有限公司未能按期偿还东川银行的贷款1.5亿元。"
    kind = kind_of(sentence)
    assert kind is not None and kind.name == "default"
    wrong = Scripted(debtor="东川银行", creditor="华岭控股有限公司", amount="", date="")
    (matter,) = fill_roles(MatterReading((read_matter(kind, sentence, "a", 0),)), wrong).matters
    assert {term.role.name for term in matter.terms} == {"debtor", "amount", "date"} and matter.dropped == 1
    right = Scripted(debtor="华岭控股", creditor="东川银行", amount="", date="")
    (matter,) = fill_roles(MatterReading((read_matter(kind, sentence, "a", 0),)), right).matters
    assert {term.role.name for term in matter.terms} == {"debtor", "creditor", "amount", "date"}


def test_an_answer_that_is_not_valid_is_counted():
    generator = Scripted()
    generator.text = '{"pledgor": "瑞'
    result = fill_roles(reading(), generator)
    assert result.failed == 1 and result.model == "scripted" and result.matters == reading().matters


def test_the_model_is_asked_in_the_language_of_the_sentence_and_only_where_a_role_is_open():
    generator = Scripted(**answer())
    fill_roles(reading(), generator)
    assert "出质人" in generator.prompts[0]
    complete = replace(reading().matters[0], terms=())
    full = read_matter(complete.kind, "2024年3月5日，股东华岭控股将其持有的120万股质押给东川银行，占8%。", "a", 0)
    assert full.empty_roles == ()
    asked = len(generator.prompts)
    fill_roles(MatterReading((full,)), generator)
    assert len(generator.prompts) == asked


def test_progress_is_told():
    seen: list[tuple[int, int]] = []
    fill_roles(reading(), Scripted(**answer()), lambda done, total: seen.append((done, total)))
    assert seen == [(1, 1)]


def test_values_are_bounded():
    roles = reading().matters[0].kind.roles
    schema = role_schema(roles, "en").model_json_schema()
    assert list(schema["properties"]) == [role.name for role in roles]
    assert all("maxLength" in entry for entry in schema["properties"].values())
