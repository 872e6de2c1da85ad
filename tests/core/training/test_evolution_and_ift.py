from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.errors import InputError
from core.models.loading import LoadedModel
from core.training.algorithms import GRPO
from core.training.evolution import EvolutionConfig, EvolutionLearner, shaped
from core.training.experience import PromptItem
from core.training.ift import AlternatingLearner, AlternationConfig
from core.training.kl_control import KLControl
from core.training.loop import LoopConfig, run
from core.training.optimiser import OptimiserConfig
from core.training.policy import Policy, adapted_policy
from core.training.policy_learner import PolicyLearner
from core.training.practice import PracticeConfig
from core.training.reward import FunctionReward, Sample
from core.training.reward.likelihood import new_likelihood_reward
from core.training.reward.model import LearnedReward, RewardModelConfig, new_reward_model

TEXTS = ["abc", "hello w", "12", "zz"]
ITEMS = [PromptItem(str(number), tuple(text.encode()), text) for number, text in enumerate(TEXTS)]
LETTERS = FunctionReward(lambda sample: sum("a" <= letter <= "m" for letter in sample.text) / 8, "small letters")


def test_shaped_ranks_are_centred_and_equals_share_theirs() -> None:
    assert shaped([3.0, 1.0, 2.0]) == [0.5, -0.5, 0.0]
    assert shaped([1.0, 1.0, 5.0]) == [-0.25, -0.25, 0.5]
    assert sum(shaped([0.3, 0.1, 0.1, 9.0, 0.2])) == pytest.approx(0)
    assert shaped([1.0]) == [0.0]


def evolution(policy: Policy) -> EvolutionLearner:
    config = EvolutionConfig(pairs=8, deviation=0.1, learning_rate=6.0, prompts=4, max_tokens=8)
    return EvolutionLearner(policy, LETTERS, ITEMS, config, seed=0)


def test_evolution_raises_the_reward_without_a_gradient(tiny: Callable[..., LoadedModel]) -> None:
    learner = evolution(adapted_policy(tiny(), seed=0, rank=2, targets="all"))
    rewards = [learner.step(index)["reward/mean"] for index in range(12)]
    assert sum(rewards[-3:]) > sum(rewards[:3]) * 1.5


def test_a_step_of_evolution_is_measured_in_deviations(tiny: Callable[..., LoadedModel]) -> None:
    """Where the fitness is the same, a tenth of the deviation goes a tenth as far."""
    moved = []
    for deviation in (0.1, 0.01):
        policy = adapted_policy(tiny(), seed=0, rank=2)
        config = EvolutionConfig(pairs=2, deviation=deviation, learning_rate=4.0, prompts=1, max_tokens=1)
        scores = iter([4.0, 1.0, 3.0, 2.0])
        counted = FunctionReward(lambda _, scores=scores: next(scores), "counted")  # type: ignore[misc]
        before = {name: value.detach().clone() for name, value in policy.parameters.items()}
        EvolutionLearner(policy, counted, ITEMS, config, seed=0).step(0)
        moved.append(torch.cat([(policy.parameters[name].detach() - before[name]).flatten() for name in before]))
    assert torch.allclose(moved[0], 10 * moved[1], atol=1e-5)
    # ranks 1/2, -1/2 and 1/6, -1/6, so the sum of noise has a deviation of (1 + 1/9) ** 0.5 / 4 members
    assert float(moved[0].std()) == pytest.approx(0.1 * 4.0 * (10 / 9) ** 0.5 / 4, rel=0.1)


def test_evolution_rewards_a_response_without_the_string_it_stopped_at(tiny: Callable[..., LoadedModel]) -> None:
    seen: list[str] = []
    reward = FunctionReward(lambda sample: float(len(seen.append(sample.text) or sample.text)), "length")  # type: ignore[func-returns-value]
    config = EvolutionConfig(pairs=1, prompts=4, max_tokens=24, temperature=2.0)
    policy = adapted_policy(tiny(), seed=0, rank=2)
    EvolutionLearner(policy, reward, ITEMS, config, seed=0, stop=["e", "a"]).step(0)
    assert seen and not any(letter in text for text in seen for letter in "ea")


def test_evolution_resumes_exactly(tmp_path: Path, tiny: Callable[..., LoadedModel]) -> None:
    config = LoopConfig(steps=4, checkpoint_every=2, trackers=())
    whole = adapted_policy(tiny(), seed=0, rank=2)
    run(evolution(whole), config, tmp_path / "whole")
    run(evolution(adapted_policy(tiny(), seed=0, rank=2)), LoopConfig(steps=2, trackers=()), tmp_path / "half")
    resumed = adapted_policy(tiny(), seed=0, rank=2)
    assert run(evolution(resumed), config, tmp_path / "half").resumed_at == 2
    for one, other in zip(whole.parameters.values(), resumed.parameters.values(), strict=True):
        assert torch.equal(one, other)


def low(sample: Sample) -> float:
    """The share of tokens from the lower half of the vocabulary."""
    return sum(token < 128 for token in sample.response_ids) / len(sample.response_ids)


LOW = FunctionReward(low, "low")


def alternating(
    tiny: Callable[..., LoadedModel], judge: FunctionReward | None = None, warm_up: int = 2, form: str = "head"
) -> AlternatingLearner:
    loaded = tiny()
    policy = adapted_policy(loaded, seed=0, rank=4, targets="all")
    assert policy.adapters is not None
    model: LearnedReward = (
        new_reward_model(policy.adapters, policy.scorer, end_id=1, seed=0, adapter=None)
        if form == "head"
        else new_likelihood_reward(policy.adapters, policy.scorer, end_id=1, seed=0, rank=4, targets="all")
    )
    learner = PolicyLearner(
        policy,
        GRPO(samples=16, kl=0.0),
        model,
        ITEMS,
        practice=PracticeConfig(prompts=4, max_tokens=2, kl=KLControl(0.0)),
        optimiser=OptimiserConfig(learning_rate=2e-2),
        steps=40,
        seed=0,
    )
    shown = torch.randint(128, (len(ITEMS), 2), generator=torch.Generator().manual_seed(0)).tolist()
    demonstrations = {} if judge else {item.id: tuple(row) for item, row in zip(ITEMS, shown, strict=True)}
    config = AlternationConfig(reward_steps=2, warm_up=warm_up, recent=128, reward=RewardModelConfig(pairs=16))
    return AlternatingLearner(
        learner, model, demonstrations, config, optimiser=OptimiserConfig(learning_rate=1e-2), seed=0, judge=judge
    )


def achieved(learner: AlternatingLearner) -> float:
    samples = learner._policy.last_samples
    return sum(LOW(samples)) / len(samples)


@pytest.mark.parametrize("form", ["head", "likelihood"])
def test_alternation_carries_a_judges_verdicts_into_the_policy(tiny: Callable[..., LoadedModel], form: str) -> None:
    learner = alternating(tiny, LOW, form=form)
    for index in range(40):
        learner.step(index)
    assert achieved(learner) > 0.65  # about half in the beginning


def test_the_reward_learns_from_demonstrations_and_the_policy_climbs_it(tiny: Callable[..., LoadedModel]) -> None:
    learner = alternating(tiny, warm_up=10)
    for index in range(10):
        figures = learner.step(index)
    assert figures["discriminator/preference/accuracy"] > 0.8
    assert "gradient_norm" not in figures
    rewards = [learner._policy.step(index)["reward/mean"] for index in range(10, 40)]
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.3


def test_all_responses_that_a_judge_tells_apart_are_learned_from(tiny: Callable[..., LoadedModel]) -> None:
    worth: dict[tuple[int, ...], float] = {(1,): 0.5, (2,): 0.2, (3,): 0.2, (4,): 0.9}
    judge = FunctionReward(lambda sample: worth[sample.response_ids], "given")
    drawn = [Sample("0", "abc", "", prompt_ids=(7,), response_ids=ids) for ids in [(1,), (2,), (3,), (4,), (2,)]]
    pairs = alternating(tiny, judge)._judged([*drawn, Sample("1", "12", "", prompt_ids=(8,), response_ids=(1,))])
    better = sorted((pair.chosen[0], pair.rejected[0]) for pair in pairs)
    assert better == [(1, 2), (1, 2), (1, 3), (4, 1), (4, 2), (4, 2), (4, 3)]
    assert {pair.prompt for pair in pairs} == {(7,)}


def test_a_response_is_not_learned_to_be_better_than_itself(tiny: Callable[..., LoadedModel]) -> None:
    rounding = iter([0.5, 0.5 + 1e-7])
    judge = FunctionReward(lambda _: next(rounding), "rounded")
    same = [Sample("0", "abc", "", prompt_ids=(7,), response_ids=(1, 2))] * 2
    assert alternating(tiny, judge)._judged(same) == []


@pytest.mark.parametrize("form", ["head", "likelihood"])
def test_alternation_resumes_exactly(tmp_path: Path, tiny: Callable[..., LoadedModel], form: str) -> None:
    config = LoopConfig(steps=4, checkpoint_every=2, trackers=())
    whole = alternating(tiny, form=form)
    run(whole, config, tmp_path / "whole")
    run(alternating(tiny, form=form), LoopConfig(steps=2, trackers=()), tmp_path / "half")
    resumed = alternating(tiny, form=form)
    assert run(resumed, config, tmp_path / "half").resumed_at == 2
    one, other = whole.state(), resumed.state()
    assert all(torch.equal(value, other.tensors[name]) for name, value in one.tensors.items())
    assert one.numbers == other.numbers


def test_nothing_to_learn_a_reward_from_is_an_error(tiny: Callable[..., LoadedModel]) -> None:
    learner = alternating(tiny)
    with pytest.raises(InputError, match="demonstrations or a judge"):
        AlternatingLearner(
            learner._policy, learner._reward._model, {}, AlternationConfig(), optimiser=OptimiserConfig(), seed=0
        )


def test_the_learned_reward_cannot_stop_learning_before_the_policy(tiny: Callable[..., LoadedModel]) -> None:
    learner = alternating(tiny)
    with pytest.raises(InputError, match="cannot be linear"):
        AlternatingLearner(
            learner._policy,
            learner._reward._model,
            {},
            AlternationConfig(),
            optimiser=OptimiserConfig(schedule="linear"),
            seed=0,
            judge=LOW,
        )
