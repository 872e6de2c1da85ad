from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from core.errors import InputError
from core.models.loading import LoadedModel
from core.training.optimiser import OptimiserConfig
from core.training.policy import adapted_policy, full_policy
from core.training.preference import PreferenceConfig, PreferenceLearner, PreferencePair
from core.training.preference.losses import dpo_loss, ipo_loss, kto_loss, kto_reference_point
from core.training.scorer import DenseScorer
from core.training.streams import Group


def pair(number: int) -> PreferencePair:
    """Letters after the prompt are preferred to digits."""
    prompt = tuple(65 + (number * 7 + step) % 50 for step in range(6))
    return PreferencePair(str(number), prompt, tuple(range(64, 68 + number % 3)), tuple(range(15, 20 + number % 2)))


PAIRS = [pair(number) for number in range(12)]


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_dpo_equals_its_formula_and_is_log_2_at_the_start() -> None:
    chosen, rejected = torch.tensor([0.5, -1.0]), torch.tensor([-0.3, 2.0])
    expected = [-math.log(sigmoid(0.2 * (a - b))) for a, b in zip(chosen.tolist(), rejected.tolist(), strict=True)]
    assert dpo_loss(chosen, rejected, beta=0.2).tolist() == pytest.approx(expected, rel=1e-5)
    assert float(dpo_loss(torch.zeros(1), torch.zeros(1))) == pytest.approx(math.log(2))
    doubtful = dpo_loss(chosen, rejected, beta=0.2, doubt=0.1)
    swapped = dpo_loss(rejected, chosen, beta=0.2)
    assert torch.allclose(doubtful, 0.9 * dpo_loss(chosen, rejected, beta=0.2) + 0.1 * swapped)


def test_ipo_is_least_at_its_margin() -> None:
    margins = torch.linspace(-10, 20, 301)
    losses = ipo_loss(margins, torch.zeros_like(margins), beta=0.1)
    assert float(margins[losses.argmin()]) == pytest.approx(5, abs=0.05)


def test_kto_weighs_good_and_bad_by_themselves() -> None:
    ratio, good = torch.tensor([1.0, -2.0]), torch.tensor([True, False])
    point = torch.tensor(0.5)
    found = kto_loss(ratio, good, point, beta=0.3, desirable_weight=2.0, undesirable_weight=0.5).tolist()
    assert found == pytest.approx([2 * (1 - sigmoid(0.3 * 0.5)), 0.5 * (1 - sigmoid(0.3 * 2.5))])
    assert float(kto_reference_point(torch.tensor([-3.0, 1.0]))) == 0


@pytest.mark.parametrize("objective", ["dpo", "ipo", "kto"])
def test_each_objective_learns_what_was_preferred(objective: str, tiny: Callable[..., LoadedModel]) -> None:
    policy = adapted_policy(tiny(), seed=0, rank=4, targets="all")
    learner = PreferenceLearner(
        policy,
        PAIRS[:8],
        PreferenceConfig(objective=objective, pairs=8),
        optimiser=OptimiserConfig(learning_rate=3e-3),
        steps=15,
        seed=0,
    )
    first = learner.step(0)
    assert first["preference/margin"] == pytest.approx(0, abs=1e-4)
    for index in range(1, 15):
        last = learner.step(index)
    assert last["loss"] < first["loss"]
    assert last["preference/accuracy"] == 1
    assert learner.accuracy(PAIRS[8:]) == 1


def test_the_gradient_is_that_of_separate_rows(tiny: Callable[..., LoadedModel]) -> None:
    policy = full_policy(tiny())
    groups = [Group(one.prompt, (one.chosen, one.rejected)) for one in PAIRS[:3]]
    grads = []
    for scorer in (policy.scorer, DenseScorer(policy.loaded.model)):
        policy.loaded.model.zero_grad()
        totals = scorer(groups).logprobs.sum(dim=1).reshape(-1, 2)
        dpo_loss(totals[:, 0] + 20, totals[:, 1] + 20).mean().backward()
        grads.append([parameter.grad.clone() for parameter in policy.loaded.model.parameters()])
    for one, other in zip(*grads, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_pieces_change_nothing_for_dpo(tiny: Callable[..., LoadedModel]) -> None:
    found = []
    for piece in (1, 8):
        policy = full_policy(tiny())
        PreferenceLearner(
            policy,
            PAIRS,
            PreferenceConfig(pairs=8, piece_pairs=piece),
            optimiser=OptimiserConfig(learning_rate=0.1, epsilon=1.0),
            steps=1,
            seed=0,
        ).step(0)
        found.append([parameter.detach().clone() for parameter in policy.parameters.values()])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_an_empty_part_is_named(tiny: Callable[..., LoadedModel]) -> None:
    bad = PreferencePair("seven", (1, 2), (), (3,))
    with pytest.raises(InputError, match="seven"):
        PreferenceLearner(full_policy(tiny()), [bad], PreferenceConfig(), optimiser=OptimiserConfig(), steps=1, seed=0)
