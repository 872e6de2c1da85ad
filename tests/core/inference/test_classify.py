from __future__ import annotations

import math

import pytest

from core.errors import InputError
from core.inference import ContinuationScore, RawText
from core.inference.classify import classify
from core.inference.local import LocalGenerator


class Scripted:
    """A generator that scores by a table of prompt and continuation."""

    name = "scripted"

    def __init__(self, table: dict[tuple[str, str], tuple[float, ...]]) -> None:
        self.table = table

    def score(self, prompts, continuations) -> list[ContinuationScore]:
        return [
            ContinuationScore((), self.table[prompt, text]) for prompt, text in zip(prompts, continuations, strict=True)
        ]


TABLE = {
    ("p", "yes"): (-1.0,),
    ("p", "not at all"): (-0.6, -0.6, -0.6),
    ("q", "yes"): (-3.0,),
    ("q", "not at all"): (-0.1, -0.1, -0.1),
    ("N/A", "yes"): (-0.5,),
    ("N/A", "not at all"): (-3.0, 0.0, 0.0),
}
CHOICES = ["yes", "not at all"]


def test_the_likeliest_choice_is_taken():
    first, second = classify(Scripted(TABLE), ["p", "q"], CHOICES)
    assert (first.choice, second.choice) == ("yes", "not at all")
    assert dict(first.probabilities)["yes"] == pytest.approx(1 / (1 + math.exp(-0.8)))
    assert first.probability == dict(first.probabilities)["yes"]


def test_tokens_can_be_weighed_alike():
    (found,) = classify(Scripted(TABLE), ["p"], CHOICES, weigh="mean")
    assert found.choice == "not at all"


def test_what_the_model_prefers_anyway_is_divided_out():
    (found,) = classify(Scripted(TABLE), ["p"], CHOICES, neutral="N/A")
    assert found.choice == "not at all"
    assert found.probability == pytest.approx(1 / (1 + math.exp(-(1.2 - -0.5))))


def test_with_a_model_the_probabilities_are_those_of_its_scores(generator: LocalGenerator):
    choices = ["fee", "refund", "退款"]
    found = classify(generator, [RawText("a: "), RawText("b: ")], choices)
    for prompt, one in zip("ab", found, strict=True):
        totals = [score.total for score in generator.score([RawText(f"{prompt}: ")] * 3, choices)]
        expected = [math.exp(total) / sum(map(math.exp, totals)) for total in totals]
        assert [share for _, share in one.probabilities] == pytest.approx(expected)


@pytest.mark.parametrize("choices", [[], ["a"], ["a", "a"], ["a", ""], "ab"])
def test_choices_that_decide_nothing_are_refused(choices: list[str]):
    with pytest.raises(InputError, match="choices"):
        classify(Scripted({}), ["p"], choices)
