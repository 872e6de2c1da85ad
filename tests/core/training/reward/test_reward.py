from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from core.errors import InputError
from core.metrics import RougeL
from core.metrics.metric import Context
from core.models.adapter_set import AdapterSet
from core.models.loading import LoadedModel
from core.training.faults import RewardFailed
from core.training.optimiser import OptimiserConfig
from core.training.preference import PreferencePair
from core.training.reward import Ensemble, FunctionReward, Mixture, Sample, as_reward, hacking_signs, standardised
from core.training.reward.hacking import repetition
from core.training.reward.model import (
    RewardModelConfig,
    RewardModelLearner,
    bradley_terry_loss,
    new_reward_model,
)
from core.training.scorer import PackedScorer

SAMPLES = [Sample(str(number), "p", text) for number, text in enumerate(["a", "bb", "ccc"])]
LENGTH = FunctionReward(lambda sample: float(len(sample.text)), "length")


def test_a_metric_is_a_reward_and_a_cut_response_pays() -> None:
    context = Context(references=("the fee is ten",))
    samples = [Sample("1", "", "the fee is ten", context), Sample("2", "", "the fee is ten", context, finished=False)]
    assert as_reward(RougeL())(samples) == [1.0, 1.0]
    reward = as_reward(RougeL())
    assert type(reward)(reward.metric, cut=-0.5)(samples) == [1.0, 0.5]


def test_a_function_is_a_reward_by_its_own_name() -> None:
    def brevity(sample: Sample) -> float:
        return -float(len(sample.text))

    reward = as_reward(brevity)
    assert reward.name == "brevity"
    assert reward(SAMPLES) == [-1, -2, -3]
    assert as_reward(reward) is reward


def test_a_count_that_does_not_fit_is_no_reward() -> None:
    class Short:
        name = "short"
        needs = frozenset()

        def score(self, candidates: object, contexts: object) -> list[object]:
            return []

    with pytest.raises((RewardFailed, ValueError)):
        as_reward(Short())(SAMPLES)


def test_mixtures_ensembles_and_scales() -> None:
    other = FunctionReward(lambda sample: 10.0 if sample.text == "bb" else 0.0, "b")
    assert Mixture(((0.5, LENGTH), (0.1, other)))(SAMPLES) == [0.5, 2.0, 1.5]
    cautious = Ensemble((LENGTH, LENGTH, other), caution=1.0)(SAMPLES)
    assert cautious[1] == pytest.approx(14 / 3 - math.sqrt(((2 - 14 / 3) ** 2 * 2 + (10 - 14 / 3) ** 2) / 3))
    assert Ensemble((LENGTH, LENGTH))(SAMPLES) == [1, 2, 3]
    scaled = standardised(LENGTH, SAMPLES)
    assert sum(scaled(SAMPLES)) == pytest.approx(0)
    assert scaled(SAMPLES)[2] == pytest.approx(math.sqrt(1.5))
    with pytest.raises(InputError, match="no scale"):
        standardised(LENGTH, SAMPLES[:1])
    with pytest.raises(InputError, match="two members"):
        Ensemble((LENGTH,))


def test_signs_of_hacking() -> None:
    texts = ["fee " * count for count in range(1, 9)]
    rewards = [float(len(text)) for text in texts]
    signs = hacking_signs(
        texts, rewards, first_reward=0.0, held_out=[0.1] * 8, first_held_out=0.4, kl=9.0, kl_budget=6.0
    )
    assert signs.length_correlation == pytest.approx(1)
    assert len(signs.warnings) == 4
    copied = hacking_signs(["a b c"], [0.9], first_reward=0.2, unrewarded={"right_passage": -0.1, "rouge_l": 0.1})
    assert copied.warnings == ("The reward rose by 0.7; right_passage, which is no part of it, fell by 0.1.",)
    honest = hacking_signs(["a b c", "d e", "f g h i"], [0.5, 0.9, 0.7], first_reward=0.2)
    assert honest.warnings == ()
    assert honest.gain == pytest.approx(0.5)


def test_repetition_counts_pairs_that_came_before() -> None:
    assert repetition("one two one two one two") == pytest.approx(1 - 2 / 5)
    assert repetition("一二三四五") == 0 == repetition("one")


def test_bradley_terry_is_log_2_for_equals_and_wants_its_margin() -> None:
    zero, one = torch.zeros(1), torch.ones(1)
    assert float(bradley_terry_loss(zero, zero)) == pytest.approx(math.log(2))
    assert float(bradley_terry_loss(one, zero, margin=1.0)) == pytest.approx(math.log(2))
    assert float(bradley_terry_loss(one, one, centring=0.1)) == pytest.approx(math.log(2) + 0.4)


def pair(number: int) -> PreferencePair:
    """The response with letters is preferred to that with digits, whatever their length."""
    prompt = tuple(65 + (number * 7 + step) % 50 for step in range(6))
    return PreferencePair(
        str(number), prompt, tuple(range(64, 67 + number % 4)), tuple(range(15, 18 + (number + 1) % 3))
    )


@pytest.mark.parametrize("adapter", ["reward", None])
def test_a_reward_model_learns_preferences_and_leaves_the_trunk(
    adapter: str | None, tiny: Callable[..., LoadedModel]
) -> None:
    loaded = tiny()
    loaded.model.requires_grad_(False)
    adapters = AdapterSet(loaded)
    model = new_reward_model(adapters, PackedScorer(loaded.model), end_id=1, seed=0, adapter=adapter, targets="all")
    pairs = [pair(number) for number in range(24)]
    ids = torch.arange(20)[None]
    before = loaded.model(input_ids=ids).logits
    learner = RewardModelLearner(
        model, pairs[:16], RewardModelConfig(), optimiser=OptimiserConfig(learning_rate=1e-2), steps=30, seed=0
    )
    assert learner.step(0)["loss"] == pytest.approx(math.log(2), abs=1e-5)
    for index in range(1, 30):
        learner.step(index)
    assert learner.accuracy(pairs[16:]) >= (0.85 if adapter is None else 1)
    assert torch.equal(loaded.model(input_ids=ids).logits, before)
    good, bad = model(
        [
            Sample("1", "", "", prompt_ids=pairs[20].prompt, response_ids=pairs[20].chosen),
            Sample("1", "", "", prompt_ids=pairs[20].prompt, response_ids=(*pairs[20].rejected, 1)),
        ]
    )
    assert good > bad
