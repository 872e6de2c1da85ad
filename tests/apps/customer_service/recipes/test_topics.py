from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.customer_service.recipes.topics import HelpPage, Trade, load_trades
from core.errors import InputError, UnreadableFile
from core.training.data.records import SPLITS


@cache
def trades() -> dict[str, Trade]:
    return load_trades()


def pages() -> list[tuple[str, str, HelpPage]]:
    return [
        (f"{name}.{topic.topic}", language, page)
        for name, trade in trades().items()
        for topic in trade.topics
        for language, page in topic.pages.items()
    ]


def test_every_trade_has_its_shares_of_the_splits() -> None:
    assert len(trades()) >= 8
    for trade in trades().values():
        shares = [len(trade.split(name)) / len(trade.topics) for name in SPLITS]
        assert len(trade.topics) >= 15
        assert 0.5 < shares[0] < 0.7
        assert 0.1 < shares[1] < 0.2
        assert 0.2 < shares[2] < 0.35


def test_pages_are_as_long_as_answers_to_customers_are() -> None:
    for name, language, page in pages():
        letters = 60 if language == "zh" else 210
        assert len(page.answer) < letters, name
        assert all(len(passage) < 1.2 * letters for passage in page.passages), name
        assert len(page.questions) >= 4, name


def test_the_languages_are_what_they_say() -> None:
    for name, language, page in pages():
        for text in page.texts:
            chinese = sum("一" <= letter <= "鿿" for letter in text)
            assert (chinese > len(text) / 3) == (language == "zh"), (name, text)


def test_the_length_of_a_passage_does_not_give_the_answer_away() -> None:
    for language in ("en", "zh"):
        chosen = [page for _, its, page in pages() if its == language]
        longer = [sum(len(one) > len(page.answer) for one in page.passages) / len(page.passages) for page in chosen]
        assert 0.2 < sum(longer) / len(longer) < 0.8


def page(name: str) -> dict[str, Any]:
    return {
        "answer": f"{name} is the answer.",
        "passages": [f"{name} is passage {number}." for number in range(3)],
        "questions": [f"What is {name}?"],
    }


def topic(name: str) -> dict[str, Any]:
    return {"topic": name, "en": page(name), "zh": page(f"{name}zh")}


GOOD: dict[str, Any] = {
    "train": [topic("ant"), topic("bee")],
    "validation": [topic("cat"), topic("dog")],
    "test": [topic("elk"), topic("fox")],
}


def load(folder: Path, change: Callable[[dict[str, Any]], object] = lambda splits: None) -> dict[str, Trade]:
    splits = deepcopy(GOOD)
    change(splits)
    (folder / "zoo.yaml").write_text(yaml.safe_dump(splits), encoding="utf-8")
    return load_trades(folder)


def test_a_file_is_a_trade(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert list(found) == ["zoo"]
    assert [[one.topic for one in found["zoo"].split(name)] for name in SPLITS] == [
        ["ant", "bee"],
        ["cat", "dog"],
        ["elk", "fox"],
    ]
    assert found["zoo"].test[0].pages["zh"].answer == "elkzh is the answer."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda splits: splits["test"][1].pop("zh"), "test.1.zh: Field required"),
        (lambda splits: splits.pop("validation"), "validation: Field required"),
        (lambda splits: splits["test"].pop(), "test: Tuple should have at least 2 items"),
        (lambda splits: splits["train"][0]["en"].update(answer="  "), "train.0.en.answer: String should have at least"),
        (lambda splits: splits["train"][0]["en"].update(answers="x"), "train.0.en.answers: Extra inputs"),
        (lambda splits: splits["train"][0]["zh"]["passages"].pop(), "train.0.zh.passages: Tuple should have at least"),
        (lambda splits: splits["train"][0]["en"].update(questions=[]), "train.0.en.questions: Tuple should have"),
        (lambda splits: splits["train"][0].update(topic="Ant 1"), "train.0.topic: String should match"),
        (lambda splits: splits["test"][0].update(topic="ant"), "'zoo.ant' stands in zoo.yaml and again in zoo.yaml"),
        (
            lambda splits: splits["test"][0]["en"]["questions"].append("What is ant?"),
            "'What is ant?' stands in zoo.ant and again in zoo.elk",
        ),
        (
            lambda splits: splits["test"][0]["en"]["passages"].append("bee is passage 1."),
            "'bee is passage 1.' stands in zoo.bee and again in zoo.elk",
        ),
        (
            lambda splits: splits["train"][0]["en"]["passages"].append("ant is the answer."),
            "'ant is the answer.' stands in zoo.ant and again in zoo.ant",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    change: Callable[[dict[str, Any]], object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, change)
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("text", ["train: [", "\x00"])
def test_a_file_that_is_no_yaml_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "zoo.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UnreadableFile, match=r"'zoo\.yaml' is no YAML"):
        load_trades(tmp_path)


def test_a_list_is_no_trade(tmp_path: Path) -> None:
    (tmp_path / "zoo.yaml").write_text("- ant\n", encoding="utf-8")
    with pytest.raises(InputError, match="names no splits"):
        load_trades(tmp_path)


def test_no_topics_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="no topics"):
        load_trades(tmp_path)
