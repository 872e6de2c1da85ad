from __future__ import annotations

import tomllib
from functools import cache

import pytest

from apps.customer_service.knowledge.articles import DEMO_FOLDER, load_articles
from apps.customer_service.product import product
from apps.customer_service.recipes.answers import RightPassage, answers
from apps.customer_service.recipes.topics import load_trades
from core.metrics import Context
from core.training.data.records import SPLITS, Turn
from core.training.pipeline.examples import Example, RecipeData, check_data

RECIPE = tomllib.loads(product.recipes["answers"].read_text(encoding="utf-8"))


@cache
def data(language: str | None = None) -> RecipeData:
    return answers(language)  # type: ignore[arg-type]


def page_of(example: Example) -> str:
    return example.id.rpartition("/")[0]


def language_of(example: Example) -> str:
    return page_of(example)[-2:]


def trade_of(example: Example) -> str:
    return example.group.partition(".")[0] if "." in example.group else "bank"


def test_both_languages_of_a_topic_are_in_one_split() -> None:
    check_data(data())
    topics = [{example.group for example in data().split(split)} for split in SPLITS]
    assert sum(map(len, topics)) == len(set().union(*topics)) > 190
    for split in SPLITS:
        pages = {(example.group, language_of(example)) for example in data().split(split)}
        assert pages == {(group, language) for group, _ in pages for language in ("en", "zh")}


def test_the_articles_and_every_trade_are_in_every_split() -> None:
    trades = {"bank", *load_trades()}
    for split in SPLITS:
        assert {trade_of(example) for example in data().split(split)} == trades
    assert len({example.group for example in data().test}) >= 40


def test_no_passage_of_one_split_is_in_another() -> None:
    """The product's articles share a few sentences, though never a short answer."""
    right = [{example.references[0] for example in data().split(split)} for split in SPLITS]
    shown = [{passage for example in data().split(split) for passage in example.evidence} for split in SPLITS]
    others = [
        {text for example in data().split(split) if trade_of(example) != "bank" for text in example.evidence}
        for split in SPLITS
    ]
    for place in range(len(SPLITS)):
        for other in set(range(len(SPLITS))) - {place}:
            assert not right[place] & shown[other]
            assert not others[place] & shown[other]


def test_no_question_stands_twice_in_a_trade_or_in_two_splits() -> None:
    asked = [
        (language_of(example), example.question)
        for split in SPLITS
        for example in data().split(split)
        if trade_of(example) != "bank"
    ]
    assert len(asked) == len(set(asked))
    bank = {(language_of(one), one.question) for split in SPLITS for one in data().split(split)} - set(asked)
    assert not bank & set(asked)


@pytest.mark.parametrize("split", SPLITS)
def test_the_other_passages_are_of_the_page_or_of_a_neighbour_in_the_split(split: str) -> None:
    own = {
        f"{trade}.{topic.topic}-{language}": set(page.passages)
        for trade, pages in load_trades().items()
        for topic in pages.topics
        for language, page in topic.pages.items()
    }
    answered = {
        (language_of(example), example.references[0]): (trade_of(example), example.group)
        for example in data().split(split)
    }
    for example in data().split(split):
        if trade_of(example) == "bank":
            continue
        assert example.evidence.count(example.references[0]) == 1
        others = [passage for passage in example.evidence if passage not in own[page_of(example)]]
        pages = [answered[(language_of(example), passage)] for passage in others]
        assert len(pages) == len(set(pages)) == 3
        assert (trade_of(example), example.group) in pages
        neighbours = [trade for trade, group in pages if trade == trade_of(example) and group != example.group]
        assert len(neighbours) == (1 if split == "validation" else 2)


def test_no_assistant_knows_the_other_trades() -> None:
    known = "\n".join(article.document.text for article in load_articles(DEMO_FOLDER))
    for split in SPLITS:
        for example in data().split(split):
            assert trade_of(example) == "bank" or example.references[0] not in known


def test_the_answer_is_one_of_several_passages_and_in_no_fixed_place() -> None:
    places = []
    for example in data().test:
        assert len(example.evidence) == len(set(example.evidence)) == 4
        assert all(passage in example.prompt[-1].content for passage in example.evidence)
        assert example.prompt[-1].content.endswith(example.question)
        places.append(example.evidence.index(example.references[0]))
    assert all(0.15 < places.count(place) / len(places) < 0.35 for place in range(4))


def test_no_prompt_is_long() -> None:
    for split in SPLITS:
        for example in data().split(split):
            letters = {"en": 1600, "zh": 500}[language_of(example)]
            assert len(example.prompt[-1].content) + len(example.references[0]) < letters, example.id


@pytest.mark.parametrize(
    ("model", "language"),
    [
        pytest.param("qwen2.5-coder-0.5b", "en", marks=pytest.mark.model("qwen2.5-coder-0.5b")),
        pytest.param("qwen2.5-coder-0.5b", "zh", marks=pytest.mark.model("qwen2.5-coder-0.5b")),
        pytest.param("smollm2-135m", "en", marks=pytest.mark.model("smollm2-135m")),
    ],
)
def test_prompt_and_answer_fit_a_row_of_the_recipe(model: str, language: str) -> None:
    from transformers import AutoConfig, AutoTokenizer

    from core.models.locate import locate
    from core.training.data.chat_tokens import ChatEncoder

    folder = locate(model, "causal").folder
    encoder = ChatEncoder(AutoTokenizer.from_pretrained(folder), AutoConfig.from_pretrained(folder).model_type)
    row_tokens = RECIPE["stage"][0]["row_tokens"]
    examples = [example for split in SPLITS for example in data(language).split(split)]
    longest = sorted(examples, key=lambda example: -len(example.prompt[-1].content))[:40]
    tokens = sorted(
        (len(encoder.encode((*one.prompt, Turn("assistant", one.references[0]))).ids) for one in longest), reverse=True
    )
    assert tokens[0] <= row_tokens
    assert tokens[len(examples) // 100] < 0.8 * row_tokens


@pytest.mark.parametrize("language", ["en", "zh"])
def test_one_language_is_a_part_of_both(language: str) -> None:
    every = {example.id for example in data().test}
    assert {example.id for example in data(language).test} == {name for name in every if f"-{language}/" in name}


@pytest.mark.parametrize("language", [None, "en", "zh"])
def test_what_the_recipe_measures_on_is_of_every_topic(language: str | None) -> None:
    limits = {split: RECIPE["data"][split] for split in ("validation", "test")}
    taken = data(language).limited(limits)
    for split, limit in limits.items():
        assert len(taken.split(split)) == limit < len(data(language).split(split))
        topics = {example.group for example in data(language).split(split)}
        assert {example.group for example in taken.split(split)} == topics


def test_the_right_passage_is_the_nearest_one() -> None:
    context = Context(references=("The card is free.",), evidence=("The card is free.", "Tap Cards and wait for it."))
    texts = ["A card is free.", "Tap Cards and wait.", "", "None whatsoever", "The card is free."]
    assert [score.value for score in RightPassage().score(texts, context)] == [1, 0, 0, 0, 1]


def test_two_passages_equally_near_are_not_the_right_one() -> None:
    context = Context(references=("free card",), evidence=("free card", "free ride"))
    assert RightPassage().score(["free"], context)[0].value == 0
