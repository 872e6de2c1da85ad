from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.errors import InputError
from core.models.loading import LoadedModel
from core.training.algorithms import GRPO, PPO, Reinforce
from core.training.experience import Algorithm, PromptItem
from core.training.faults import RewardFailed, TrainingFault
from core.training.journal import read_journal
from core.training.kl_control import KLControl
from core.training.loop import LoopConfig, run
from core.training.optimiser import OptimiserConfig
from core.training.policy import Policy, adapted_policy, full_policy
from core.training.policy_learner import PolicyLearner
from core.training.practice import PracticeConfig
from core.training.reward import FunctionReward, Reward, Sample

ITEMS = [
    PromptItem(str(number), tuple(text.encode()), text) for number, text in enumerate(["abc", "hello w", "12", "zz"])
]
OPTIMISER = OptimiserConfig(learning_rate=3e-3)
PRACTICE = PracticeConfig(prompts=4, max_tokens=8, kl=KLControl(0.01))


def small_letters(sample: Sample) -> float:
    """The share of characters from a to m."""
    return sum("a" <= letter <= "m" for letter in sample.text) / 8


LETTERS = FunctionReward(small_letters, "small letters")


def learner(
    policy: Policy,
    algorithm: Algorithm,
    *,
    reward: Reward = LETTERS,
    optimiser: OptimiserConfig = OPTIMISER,
    **changes: object,
) -> PolicyLearner:
    practice = PRACTICE.model_copy(update=changes)
    return PolicyLearner(policy, algorithm, reward, ITEMS, practice=practice, optimiser=optimiser, steps=100, seed=3)


ALGORITHMS = [
    PPO(samples=4, epochs=2, minibatches=2),
    GRPO(samples=8),
    Reinforce(samples=8),
    Reinforce(samples=8, baseline="self_critical"),
    Reinforce(samples=8, baseline="mean"),
]


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda one: f"{one.name}-{getattr(one, 'baseline', '')}")
def test_each_algorithm_raises_the_reward(algorithm: Algorithm, tiny: Callable[..., LoadedModel]) -> None:
    policy = full_policy(tiny(), critic="shared" if algorithm.uses_critic else "none")
    learns = learner(policy, algorithm)
    rewards = [learns.step(index)["reward/mean"] for index in range(30)]
    assert sum(rewards[-5:]) / 5 > 2 * sum(rewards[:3]) / 3


def test_an_adapter_learns_and_the_base_stays_as_it_was(tiny: Callable[..., LoadedModel]) -> None:
    loaded = tiny()
    before = {name: value.clone() for name, value in loaded.model.named_parameters()}
    policy = adapted_policy(loaded, seed=1, rank=4, targets="all")
    learns = learner(policy, GRPO(samples=8))
    rewards = [learns.step(index)["reward/mean"] for index in range(30)]
    assert sum(rewards[-5:]) > sum(rewards[:5])
    assert policy.adapters is not None
    policy.adapters.detach("policy")
    for name, value in loaded.model.named_parameters():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("critic", ["shared", "separate"])
def test_the_first_step_has_no_kl_and_no_sampler_gap(critic: str, tiny: Callable[..., LoadedModel]) -> None:
    figures = learner(full_policy(tiny(), critic=critic), PPO(epochs=1)).step(0)
    assert figures["policy/kl"] == pytest.approx(0, abs=1e-4)
    assert figures["policy/sampler_gap"] == pytest.approx(0, abs=1e-5)


def weights(policy: Policy) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in policy.parameters.values()]


@pytest.mark.parametrize(
    "algorithm", [PPO(samples=2, epochs=2, minibatches=2), PPO(samples=2, epochs=2), GRPO(samples=4, epochs=2)]
)
def test_pieces_change_nothing(algorithm: Algorithm, tiny: Callable[..., LoadedModel]) -> None:
    found = []
    linear = OptimiserConfig(
        learning_rate=0.1, epsilon=1.0
    )  # Adam would blow gradients that are rounding alone up to 1
    for piece_tokens in (10, 10_000):
        policy = full_policy(tiny(), critic="shared" if algorithm.uses_critic else "none")
        learns = learner(policy, algorithm, optimiser=linear, piece_tokens=piece_tokens)
        learns.step(0)
        found.append(weights(policy))
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_killed_run_goes_on_exactly_where_it_was(tmp_path: Path, tiny: Callable[..., LoadedModel]) -> None:
    algorithm = PPO(samples=2, epochs=2)
    config = LoopConfig(steps=6, checkpoint_every=2, samples_every=3, trackers=())

    def fresh() -> tuple[Policy, PolicyLearner]:
        policy = full_policy(tiny(), critic="shared")
        return policy, learner(policy, algorithm, kl=KLControl(0.05, target=0.5, horizon=50))

    whole, learns = fresh()
    run(learns, config, tmp_path / "whole")

    class Killed(Exception):
        pass

    def kill(done: int, _: int) -> None:
        if done == 5:
            raise Killed

    _, learns = fresh()
    with pytest.raises(Killed):
        run(learns, config, tmp_path / "killed", progress=kill)
    resumed, learns = fresh()
    report = run(learns, config, tmp_path / "killed")
    assert report.resumed_at == 4
    for one, other in zip(weights(whole), weights(resumed), strict=True):
        assert torch.equal(one, other)

    def figures(folder: str) -> list[dict[str, float]]:
        rows = read_journal(tmp_path / folder)
        return [{name: row[name] for name in row if not re.search("seconds|resident", name)} for row in rows]

    assert figures("killed") == figures("whole")
    assert (tmp_path / "killed/samples/step-00000006.jsonl").read_bytes() == (
        tmp_path / "whole/samples/step-00000006.jsonl"
    ).read_bytes()


def test_a_reward_that_fails_names_the_sample(tiny: Callable[..., LoadedModel]) -> None:
    def fails(sample: Sample) -> float:
        return 1 / 0 if sample.prompt_id == "2" else 0.5

    with pytest.raises(RewardFailed, match=r"prompt 2.*response"):
        learner(full_policy(tiny()), GRPO(samples=2), reward=FunctionReward(fails, "fails")).step(0)
    nan = FunctionReward(lambda sample: float("nan"), "nan")
    with pytest.raises(TrainingFault, match="gave nan"):
        learner(full_policy(tiny()), GRPO(samples=2), reward=nan).step(0)


def test_what_does_not_fit_is_said_at_once(tiny: Callable[..., LoadedModel]) -> None:
    with pytest.raises(InputError, match="critic"):
        learner(full_policy(tiny()), PPO())
    with pytest.raises(InputError, match="KL target"):
        learner(full_policy(tiny()), GRPO(), kl=KLControl(0.1, target=1.0))
    with pytest.raises(InputError, match="prompts"):
        PolicyLearner(
            full_policy(tiny()), GRPO(), LETTERS, [], practice=PRACTICE, optimiser=OptimiserConfig(), steps=1, seed=0
        )
