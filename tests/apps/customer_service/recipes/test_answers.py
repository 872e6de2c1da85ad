from __future__ import annotations

from functools import cache

import pytest

from apps.customer_service.recipes.answers import RightPassage, answers
from core.metrics import Context
from core.training.data.records import SPLITS
from core.training.pipeline.examples import RecipeData, check_data


@cache
def data(language: str | None = None) -> RecipeData:
    return answers(language)  # type: ignore[arg-type]


def test_both_languages_of_a_topic_are_in_one_split() -> None:
    check_data(data())
    topics = [{example.group for example in data().split(split)} for split in SPLITS]
    assert sum(map(len, topics)) == len(set().union(*topics)) > 70
    for split in SPLITS:
        assert {example.id.rpartition("/")[0][-2:] for example in data().split(split)} == {"en", "zh"}


def test_no_short_answer_of_one_split_is_a_passage_in_another() -> None:
    right = [{example.references[0] for example in data().split(split)} for split in SPLITS]
    shown = [{passage for example in data().split(split) for passage in example.evidence} for split in SPLITS]
    for place in range(len(SPLITS)):
        for other in set(range(len(SPLITS))) - {place}:
            assert not right[place] & shown[other]


def test_the_answer_is_one_of_several_passages_and_in_no_fixed_place() -> None:
    places = []
    for example in data().test:
        assert len(example.evidence) == len(set(example.evidence)) == 4
        assert all(passage in example.prompt[-1].content for passage in example.evidence)
        assert example.prompt[-1].content.endswith(example.question)
        places.append(example.evidence.index(example.references[0]))
    assert all(0.15 < places.count(place) / len(places) < 0.35 for place in range(4))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_one_language_is_a_part_of_both(language: str) -> None:
    every = {example.id for example in data().test}
    assert {example.id for example in data(language).test} == {name for name in every if f"-{language}/" in name}


def test_the_right_passage_is_the_nearest_one() -> None:
    context = Context(references=("The card is free.",), evidence=("The card is free.", "Tap Cards and wait for it."))
    texts = ["A card is free.", "Tap Cards and wait.", "", "None whatsoever", "The card is free."]
    assert [score.value for score in RightPassage().score(texts, context)] == [1, 0, 0, 0, 1]


def test_two_passages_equally_near_are_not_the_right_one() -> None:
    context = Context(references=("free card",), evidence=("free card", "free ride"))
    assert RightPassage().score(["free"], context)[0].value == 0
