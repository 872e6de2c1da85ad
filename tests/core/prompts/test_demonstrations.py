from __future__ import annotations

import zlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.prompts import Demonstration, TokenBudget, build_prompt
from core.prompts.demonstrations import (
    AtRandom,
    Covering,
    InOrder,
    LabelBalanced,
    MostSimilar,
    SimilarAndDiverse,
    choose_demonstrations,
    plain_letters,
)


class Words:
    """Bags of words: each word has a random direction of its own."""

    def encode_queries(self, texts):
        rows = []
        for text in texts:
            words = [*text.lower().split(), "the"]
            rows.append(sum(np.random.default_rng(zlib.crc32(word.encode())).normal(size=64) for word in words))
        vectors = np.asarray(rows, dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


WORDS = Words()
POOL = [
    *(Demonstration(f"my card is lost {place}", "card") for place in ("abroad", "abroad again", "at home", "today")),
    *(Demonstration(f"why this fee {when}", "fee") for when in ("now", "again")),
    Demonstration("天气 怎么样", "weather"),
]
CHOICES = [
    InOrder(),
    AtRandom(3),
    MostSimilar(WORDS),
    SimilarAndDiverse(WORDS),
    Covering(WORDS),
    LabelBalanced(AtRandom(1)),
    LabelBalanced(MostSimilar(WORDS)),
]
IDS = ["in order", "random", "similar", "diverse", "covering", "balanced random", "balanced similar"]


@pytest.mark.parametrize("choice", CHOICES, ids=IDS)
@pytest.mark.parametrize("shots", [0, 1, 3, 7, 20])
def test_every_choice_gives_so_many_different_ones_and_repeats_itself(choice, shots: int):
    found = choose_demonstrations("my card is lost", POOL, shots, choice)
    assert len(found) == min(shots, len(POOL))
    assert len(set(found)) == len(found)
    assert set(found) <= set(POOL)
    assert found == choose_demonstrations("my card is lost", POOL, shots, choice)
    assert choose_demonstrations("my card is lost", [], shots, choice) == []


@pytest.mark.parametrize("choice", CHOICES, ids=IDS)
@pytest.mark.parametrize("input", ["天气 怎么样", " 天气怎么样？", "WHY this fee, now?"])
def test_the_input_is_never_its_own_demonstration(choice, input: str):
    found = choose_demonstrations(input, POOL, len(POOL), choice)
    assert len(found) == len(POOL) - 1
    assert plain_letters(input) not in [plain_letters(one.input) for one in found]


def test_the_most_similar_come_first():
    assert choose_demonstrations("this fee", POOL, 2, MostSimilar(WORDS)) in (POOL[4:6], POOL[5:3:-1])


def test_diverse_ones_are_unlike_one_another():
    similar = choose_demonstrations("card lost abroad", POOL, 2, MostSimilar(WORDS))
    diverse = choose_demonstrations("card lost abroad", POOL, 2, SimilarAndDiverse(WORDS))
    assert {one.input for one in similar} == {"my card is lost abroad", "my card is lost abroad again"}
    assert diverse[0] == similar[0]
    assert diverse[1] not in similar


def test_a_cover_has_one_of_each_group_the_largest_first():
    found = choose_demonstrations("anything", POOL, 3, Covering(WORDS))
    assert [one.answer for one in found] == ["card", "fee", "weather"]


@pytest.mark.parametrize("choice", CHOICES[-2:], ids=IDS[-2:])
def test_labels_are_balanced(choice):
    counted = Counter(one.answer for one in choose_demonstrations("my card", POOL, 5, choice))
    assert counted == {"card": 2, "fee": 2, "weather": 1}
    first = choose_demonstrations("why this fee", POOL, 1, LabelBalanced(MostSimilar(WORDS)))
    assert first[0].answer == "fee"


def test_a_random_draw_depends_on_the_seed_and_not_on_the_input():
    draws = {tuple(choose_demonstrations("x", POOL, 3, AtRandom(seed))) for seed in range(8)}
    assert len(draws) > 4
    assert choose_demonstrations("x", POOL, 3, AtRandom(0)) == choose_demonstrations("y", POOL[::-1], 3, AtRandom(0))


def test_a_prompt_is_task_demonstrations_input():
    prompt = build_prompt("Name the {topic} as JSON {}.", "is it {cold}?", POOL, 2)
    assert [turn["role"] for turn in prompt.turns] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [turn["content"] for turn in prompt.turns] == [
        "Name the {topic} as JSON {}.",
        "my card is lost abroad",
        "card",
        "my card is lost abroad again",
        "card",
        "is it {cold}?",
    ]


def test_a_budget_drops_the_least_important_demonstrations():
    budget = TokenBudget(60, lambda text: len(text.split()))
    prompt = build_prompt("Name the topic.", "lost card at home", POOL, 4, choice=MostSimilar(WORDS), budget=budget)
    assert prompt.turns[1]["content"] == "my card is lost at home"
    assert prompt.left_out and prompt.left_out[0].startswith("examples: ")
    assert budget.fits(prompt.turns)


def test_fewer_than_no_shots_are_refused():
    with pytest.raises(InputError, match="shots"):
        build_prompt("x", "y", POOL, -1)


@given(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1, max_size=20))
def test_plain_letters_ignore_marks_spaces_and_case(text: str):
    assert plain_letters(f"  {text} ?!") == plain_letters(text)
    assert plain_letters("Ａbc １，") == "abc1"
    assert plain_letters(" ?! ") == "?!"
