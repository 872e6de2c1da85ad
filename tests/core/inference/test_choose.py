from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.inference import Completion, Sampling
from core.inference.choose import (
    aggregated_chrf,
    best_of_n,
    choose_best,
    choose_rewarded,
    minimum_bayes_risk,
    self_consistency,
)
from core.inference.generator import GREEDY
from core.inference.local import LocalGenerator
from core.metrics import ChrF, Context, RougeL, Score

TEXTS = st.lists(st.text(alphabet="ab 退款。", min_size=1, max_size=12), min_size=1, max_size=6)


class Shortest:
    """More is better, so: minus the length."""

    name = "shortest"
    needs: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.measured: list[str] = []

    def score(self, candidates: Sequence[str], contexts: object = None) -> list[Score]:
        self.measured += candidates
        return [Score(-len(text)) for text in candidates]


class Scripted:
    """A generator whose n-th text of a prompt is `<prompt><n>`, made longer by n."""

    name = "scripted"

    def generate(self, prompts, sampling=GREEDY, progress=None) -> list[Completion]:
        return [
            Completion(f"{prompt}{'!' * (sampling.n - copy)}", "stop")
            for prompt in prompts
            for copy in range(sampling.n)
        ]


def test_best_of_n_takes_the_best_of_each_prompt():
    found = best_of_n(Scripted(), ["a", "bb"], Shortest(), n=3)
    assert [choice.text for choice in found] == ["a!", "bb!"]
    assert [choice.index for choice in found] == [2, 2]
    assert found[0].candidates == ("a!!!", "a!!", "a!")
    assert [score.value for score in found[1].scores] == [-5, -4, -3]


def test_each_prompt_is_measured_in_its_own_context():
    contexts = [Context(references=("a!!",)), Context(references=("bb!",))]
    found = best_of_n(Scripted(), ["a", "bb"], ChrF(), contexts, n=3)
    assert [choice.text for choice in found] == ["a!!", "bb!"]
    with pytest.raises(InputError, match="2 prompts and 1 contexts"):
        best_of_n(Scripted(), ["a", "b"], ChrF(), contexts[:1])


def test_best_of_n_with_a_model_is_never_worse_than_one_of_its_texts(generator: LocalGenerator):
    sampling = Sampling(max_tokens=10, temperature=1.0, seed=3)
    (choice,) = best_of_n(generator, ["Hello"], Shortest(), n=5, sampling=sampling)
    (first,) = generator.generate(["Hello"], sampling)
    assert first.text == choice.candidates[0]
    assert choice.score.value == max(-len(text) for text in choice.candidates)


def test_equal_texts_are_measured_once_and_the_first_is_taken():
    metric = Shortest()
    choice = choose_best(["bb", "aa", "bb", "ccc"], metric)
    assert (choice.index, metric.measured) == (0, ["bb", "aa", "ccc"])


def test_minimum_bayes_risk_against_the_plain_double_sum():
    texts = ["the cat sat", "the cat sat down", "a dog", "the cat sat", "退款三天到账"]
    metric = RougeL()
    means = [
        sum(metric.score([text], Context(references=(other,)))[0].value for other in texts) / len(texts)
        for text in texts
    ]
    choice = minimum_bayes_risk(texts, metric)
    assert [score.value for score in choice.scores] == pytest.approx(means)
    assert choice.index == means.index(max(means)) == 0


def test_the_aggregated_form_chooses_the_text_in_the_middle():
    texts = ["refunds take three days", "refunds take three days.", "a refund takes three days", "call us tomorrow"]
    assert minimum_bayes_risk(texts).text == minimum_bayes_risk(texts, ChrF()).text
    assert minimum_bayes_risk(["退款需三天", "退款需要三天", "请致电", "退款需要三天。"]).text.startswith(
        "退款需要三天"
    )


@given(text=st.text(alphabet="ab 退款。x", max_size=15), reference=st.text(alphabet="ab 退款。x", max_size=15))
def test_with_one_reference_the_aggregated_form_is_chrf(text: str, reference: str):
    expected = ChrF().score([text], Context(references=(reference,)))[0].value if reference else 0.0
    assert aggregated_chrf([text], [reference])[0].value == pytest.approx(expected, abs=1e-12)
    assert aggregated_chrf([text], [reference] * 3)[0].value == pytest.approx(expected, abs=1e-12)


@given(texts=TEXTS)
def test_the_order_of_candidates_changes_no_score(texts: list[str]):
    forwards, backwards = minimum_bayes_risk(texts), minimum_bayes_risk(texts[::-1])
    assert [score.value for score in forwards.scores] == pytest.approx([s.value for s in backwards.scores[::-1]])
    assert all(0 <= score.value <= 1 + 1e-12 for score in forwards.scores)


def test_a_single_text_is_taken_and_none_is_refused():
    assert minimum_bayes_risk(["only"]).text == "only"
    for choose in (minimum_bayes_risk, lambda texts: choose_best(texts, Shortest())):
        with pytest.raises(InputError, match="no text"):
            choose([])


def test_self_consistency_counts_answers():
    texts = ["so it is 5", "I get 7", "thus 5", "no idea", "maybe 7", "5"]
    vote = self_consistency(texts, lambda text: next((word for word in text.split() if word.isdigit()), None))
    assert (vote.answer, vote.share, vote.votes) == ("5", 0.5, (("5", 3), ("7", 2)))
    assert self_consistency(["a", "b"], lambda text: None).answer is None
    assert self_consistency(["b", "a"], lambda text: text).answer == "b"


def test_reward_and_agreement_are_added_up():
    """The shortest text is rewarded; the texts that say the same agree."""
    texts = ["three days", "three days", "no"]
    by_reward = choose_rewarded(texts, Shortest(), agreement=0.0, utility=RougeL())
    assert (by_reward.text, by_reward.score.value) == ("no", -2.0)
    both = choose_rewarded(texts, Shortest(), agreement=100.0, utility=RougeL())
    assert both.index == 0
    assert both.score.part("reward").value == -10.0
    assert both.score.part("agreement").value == pytest.approx(2 / 3)
    assert both.score.value == pytest.approx(-10.0 + 100 * 2 / 3)
