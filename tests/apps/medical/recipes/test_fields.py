from __future__ import annotations

import json
from functools import cache

import pytest
import yaml

from apps.medical.evaluation.note_fields import CASES, folded
from apps.medical.recipes.fields import fields
from apps.medical.records.fields import field_kinds
from apps.medical.records.sections import Section
from core.inference.extract import locate
from core.text import Span, detect_language
from core.training.data.records import SPLITS
from core.training.pipeline.examples import Example, RecipeData, check_data


@cache
def data(language: str | None = None) -> RecipeData:
    return fields(language)  # type: ignore[arg-type]


def everything() -> list[Example]:
    return [example for split in SPLITS for example in data().split(split)]


def entries(example: Example) -> list[dict[str, str]]:
    found = json.loads(example.references[0])
    assert list(found) == [kind_name(example)]
    return found[kind_name(example)]


def kind_name(example: Example) -> str:
    return example.group.split("-")[0]


def test_no_pattern_is_in_two_splits() -> None:
    check_data(data())
    kinds = {kind.name for kind in field_kinds()}
    for split in SPLITS:
        assert {kind_name(example) for example in data().split(split)} == kinds


def test_each_field_has_patterns_enough_in_both_languages() -> None:
    for split, patterns in {"train": 12, "validation": 5, "test": 8}.items():
        groups = {example.group for example in data().split(split)}
        for kind in field_kinds():
            for language in ("en", "zh"):
                assert sum(group.startswith(f"{kind.name}-{language}-") for group in groups) == patterns


def test_no_name_of_test_is_in_training_but_those_of_measures() -> None:
    def names(split: str) -> set[str]:
        return {entry["name"] for one in data().split(split) if kind_name(one) != "vitals" for entry in entries(one)}

    assert not names("train") & names("test")
    assert not names("train") & names("validation")


def test_the_evaluation_is_not_trained_on() -> None:
    cases = yaml.safe_load(CASES.read_text(encoding="utf-8"))
    notes = [folded(case["note"]) for case in cases]
    named = {entry["name"] for case in cases for entry in case["fields"] if entry["field"] != "vitals"}
    assert named
    for example in everything():
        assert not [note for note in notes if folded(example.question) in note]
        assert not named & {entry["name"] for entry in entries(example)}


def test_sentences_are_such_as_the_product_asks_about() -> None:
    kinds = {kind.name: kind for kind in field_kinds()}
    for example in everything():
        section = Section(None, Span(0, len(example.question)))
        assert kinds[kind_name(example)].asks(example.question, section), example.question


def test_every_value_stands_in_its_sentence() -> None:
    parts = {kind.name: list(kind.parts) for kind in field_kinds()}
    for example in everything():
        for entry in entries(example):
            assert list(entry) == parts[kind_name(example)]
            assert entry["name"]
            for value in filter(None, entry.values()):
                assert locate(value, example.question), (value, example.question)


def test_some_sentences_have_nothing_to_list() -> None:
    for split in SPLITS:
        empty = [example for example in data().split(split) if not entries(example)]
        assert 0 < len(empty) < len(data().split(split)) / 5


@pytest.mark.parametrize("language", ["en", "zh"])
def test_one_language_alone(language: str) -> None:
    assert {detect_language(example.question) for example in data(language).train} == {language}


def test_the_reference_has_full_marks() -> None:
    for metric in data().metrics.values():
        for example in data().validation:
            assert metric.score([example.references[0]], example.context)[0].value == 1
