from __future__ import annotations

import json
from datetime import datetime
from functools import cache

import pytest

from apps.finance_risk.evaluation.roles import cases, folded
from apps.finance_risk.matters import declared_kinds
from apps.finance_risk.matters.reading import kind_of
from apps.finance_risk.matters.values import find_values, fits
from apps.finance_risk.recipes.events import events
from core.inference.extract import locate
from core.text import detect_language
from core.training.data.records import SPLITS
from core.training.pipeline.examples import Example, RecipeData, check_data


@cache
def data(language: str | None = None) -> RecipeData:
    return events(language)  # type: ignore[arg-type]


def everything() -> list[Example]:
    return [example for split in SPLITS for example in data().split(split)]


def roles(example: Example) -> dict[str, str]:
    return {name: value for name, value in json.loads(example.references[0]).items() if value}


def kind_name(example: Example) -> str:
    return example.group.split("-")[0]


def test_no_pattern_is_in_two_splits() -> None:
    check_data(data())
    groups = {split: {example.group for example in data().split(split)} for split in SPLITS}
    assert {split: len(found) for split, found in groups.items()} == {"train": 160, "validation": 80, "test": 180}
    assert {split: len(data().split(split)) for split in SPLITS} == {"train": 640, "validation": 320, "test": 720}


def test_no_party_of_test_is_in_training() -> None:
    def parties(split: str) -> set[str]:
        known = {role.name for kind in declared_kinds() for role in kind.roles if role.of == "party"}
        found = {value for one in data().split(split) for name, value in roles(one).items() if name in known}
        return {value for value in found if value.casefold() not in ("the company", "公司", "本公司")}

    assert not parties("train") & parties("test")
    assert not parties("train") & parties("validation")


def test_the_evaluation_is_not_trained_on() -> None:
    texts = {case["text"] for case in cases()}
    named = {
        value
        for case in cases()
        for role, value in case.get("roles", {}).items()
        if role not in ("date", "amount", "ratio", "shares") and folded(value) != "公司"
    }
    assert len(texts) == 44
    assert named
    for example in everything():
        assert example.question not in texts
        assert not [name for name in named if name in example.question]


def test_sentences_are_read_as_the_matter_they_tell_of() -> None:
    for example in everything():
        found = kind_of(example.question)
        assert found, example.question
        assert found.name == kind_name(example), example.question


def test_every_value_stands_in_its_sentence_and_is_of_its_roles_kind() -> None:
    kinds = {kind.name: kind for kind in declared_kinds()}
    for example in everything():
        of = {role.name: role.of for role in kinds[kind_name(example)].roles}
        assert list(json.loads(example.references[0])) == list(of)
        for name, value in roles(example).items():
            span = locate(value, example.question)
            assert span, (name, value, example.question)
            whole = fits(of[name], span, example.question)
            assert whole, (name, value, example.question)
            assert whole.of(example.question) == value, (name, example.question)


def test_some_sentences_hold_values_that_are_no_role() -> None:
    for split in SPLITS:
        more = [
            example
            for example in data().split(split)
            if any(len(find_values(kind, example.question)) > 1 for kind in ("money", "date", "shares", "ratio"))
        ]
        assert len(more) > len(data().split(split)) / 8


def test_a_later_date_is_later_and_a_smaller_amount_smaller() -> None:
    pledges = [example for example in data().train if "and runs until" in example.question]
    loans = [example for example in data().validation if "has been repaid since" in example.question]
    assert pledges
    assert loans
    for example in pledges:
        made, ends = (
            datetime.strptime(span.of(example.question), "%B %d, %Y") for span in find_values("date", example.question)
        )
        assert made < ends
    for example in loans:
        lent, repaid = (
            float(words.strip("US$€£").replace(",", "").replace(" million", "e6"))
            for words in (span.of(example.question) for span in find_values("money", example.question))
        )
        assert lent > repaid


@pytest.mark.parametrize("language", ["en", "zh"])
def test_one_language_alone(language: str) -> None:
    assert {detect_language(example.question) for example in data(language).train} == {language}
    assert {example.id for example in data(language).test} < {example.id for example in data().test}


def test_the_reference_has_full_marks_and_an_empty_answer_none() -> None:
    metric = data().metrics["field_f1"]
    for example in data().validation:
        scores = metric.score([example.references[0], "{}", "not JSON"], example.context)
        assert [score.value for score in scores] == [1, 0, 0]
