"""The methods that `benchmarks.optimisers` compares: where they start, how each is set up, and a run of one of them."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch

from benchmarks.notes_task import ANSWER_TOKENS
from core.inference.generator import Sampling
from core.inference.rollout import TokenSampler
from core.models.loading import LoadedModel
from core.training.algorithms import GRPO, PPO, Reinforce
from core.training.evolution import EvolutionConfig, EvolutionLearner
from core.training.experience import Algorithm, PromptItem, as_sample
from core.training.ift import AlternatingLearner, AlternationConfig
from core.training.optimiser import OptimiserConfig
from core.training.policy import Critic, Policy, adapted_policy
from core.training.policy_learner import PolicyLearner
from core.training.practice import PracticeConfig
from core.training.preference import PreferenceConfig, PreferenceLearner, PreferencePair
from core.training.reward import Reward, Sample
from core.training.reward.likelihood import new_likelihood_reward
from core.training.reward.model import LearnedReward, RewardModelConfig, new_reward_model
from core.training.seeds import drawn_without_return
from core.training.streams import Group

ROUND = 64
"""Responses drawn a round, greedy ones included."""
GROUP = 4
"""Responses to a prompt, where a method compares them."""
RANK = 8
ADAPTER_SEED = 0


@dataclass(frozen=True, slots=True)
class Task:
    """Where every method starts, and what it practises on."""

    start: LoadedModel
    practice: list[PromptItem]
    reward: Reward

    def policy(self, *, critic: bool = False) -> Policy:
        """The starting policy with a new adapter, the same for all."""
        loaded = replace(self.start, model=copy.deepcopy(self.start.model))
        head: Critic = "shared" if critic else "none"
        return adapted_policy(loaded, seed=ADAPTER_SEED, rank=RANK, targets="all", critic=head)


class Steps(Protocol):
    """What a run needs of a learner."""

    def step(self, index: int) -> Mapping[str, float]: ...


@dataclass(frozen=True, slots=True)
class Method:
    """How a learner is made from a task, a policy, a learning rate, a seed and a number of rounds."""

    title: str
    rate: float
    rates: tuple[float, ...]
    make: Callable[[Task, Policy, float, int, int], Steps]
    critic: bool = False


def optimised(algorithm: Algorithm, greedy: int = 0) -> Callable[[Task, Policy, float, int, int], PolicyLearner]:
    """A `PolicyLearner`; `greedy`: greedy responses drawn to a prompt beside the algorithm's samples."""

    def make(task: Task, policy: Policy, rate: float, seed: int, rounds: int) -> PolicyLearner:
        return PolicyLearner(
            policy,
            algorithm,
            task.reward,
            task.practice,
            practice=PracticeConfig(prompts=ROUND // (algorithm.samples + greedy), max_tokens=ANSWER_TOKENS),
            optimiser=OptimiserConfig(learning_rate=rate),
            steps=rounds,
            seed=seed,
        )

    return make


def own_likelihood(task: Task, policy: Policy, rate: float, seed: int, rounds: int) -> PolicyLearner:
    """Alternation without a judge: what it gains by making likely responses likelier."""
    reward = likelihood(task, policy, seed)
    return optimised(_ALTERNATING)(Task(task.start, task.practice, reward), policy, rate, seed, rounds)


def alternating(
    source: Literal["judge", "demonstrations"] = "judge", form: Literal["likelihood", "head"] = "likelihood"
) -> Callable[[Task, Policy, float, int, int], AlternatingLearner]:
    """The judge is the task's reward, but only which of two responses to a prompt it likes better is learned from;
    demonstrations are the references. `form`: of what is learned."""

    def make(task: Task, policy: Policy, rate: float, seed: int, rounds: int) -> AlternatingLearner:
        reward = (likelihood if form == "likelihood" else head)(task, policy, seed)
        tokens, judged = task.start.tokenizer, source == "judge"
        shown = {
            item.id: (*tokens(item.context.references[0])["input_ids"], tokens.eos_token_id) for item in task.practice
        }
        return AlternatingLearner(
            optimised(_ALTERNATING)(Task(task.start, task.practice, reward), policy, rate, seed, rounds),
            reward,
            {} if judged else shown,
            AlternationConfig(reward_steps=16, recent=2048, reward=RewardModelConfig(piece_pairs=16)),
            optimiser=OptimiserConfig(learning_rate=DISCRIMINATOR_RATE),
            seed=seed,
            judge=task.reward if judged else None,
        )

    return make


def likelihood(task: Task, policy: Policy, seed: int) -> LearnedReward:
    """What tells responses apart as a likelihood."""
    assert policy.adapters is not None
    end = task.start.tokenizer.eos_token_id
    return new_likelihood_reward(policy.adapters, policy.scorer, end_id=end, seed=seed, rank=RANK, targets="all")


def head(task: Task, policy: Policy, seed: int) -> LearnedReward:
    """What tells responses apart by a head on the last state."""
    assert policy.adapters is not None
    end = task.start.tokenizer.eos_token_id
    return new_reward_model(policy.adapters, policy.scorer, end_id=end, seed=seed, rank=RANK, targets="all")


class PreferencesAsDrawn:
    """DPO on pairs of the starting policy. A round draws responses with the adapter off, pairs the best of each group
    with the worst, and goes through the pairs it has so far: the same data as if all had been drawn before."""

    def __init__(self, task: Task, policy: Policy, rate: float, seed: int, rounds: int) -> None:
        self._task, self._policy, self._seed = task, policy, seed
        self._sampler = TokenSampler(policy.loaded)
        self._pairs: list[PreferencePair] = []
        self._draw(0)
        config = PreferenceConfig(pairs=16, piece_pairs=16)
        self._learner = PreferenceLearner(
            policy, self._pairs, config, optimiser=OptimiserConfig(learning_rate=rate), steps=rounds, seed=seed
        )

    def step(self, index: int) -> dict[str, float]:
        if index:
            self._draw(index)
        for turn in range(DPO_UPDATES):
            figures = self._learner.step(index * DPO_UPDATES + turn)
        return dict(figures)

    def _draw(self, index: int) -> None:
        task, prompts = self._task, ROUND // GROUP
        numbers = drawn_without_return(self._seed, len(task.practice), index * prompts, prompts)
        items = [task.practice[number] for number in numbers]
        assert self._policy.adapters is not None
        with self._policy.adapters.off():
            drawn = drawn_samples(task.start, self._sampler, items, GROUP, 1.0, self._seed, index)
        values = task.reward(drawn)
        for start in range(0, len(drawn), GROUP):
            places = range(start, start + GROUP)
            best, worst = max(places, key=lambda one: values[one]), min(places, key=lambda one: values[one])
            if values[best] > values[worst]:
                name = f"{index}/{drawn[best].prompt_id}"
                one, other = drawn[best].response_ids, drawn[worst].response_ids
                self._pairs.append(PreferencePair(name, drawn[best].prompt_ids, one, other))


def evolving(task: Task, policy: Policy, rate: float, seed: int, rounds: int) -> EvolutionLearner:
    """Eight perturbed policies a round answer eight prompts each, greedily."""
    config = EvolutionConfig(
        pairs=4, prompts=ROUND // 8, max_tokens=ANSWER_TOKENS, learning_rate=rate, deviation=EVOLUTION_DEVIATION
    )
    return EvolutionLearner(policy, task.reward, task.practice, config, seed=seed)


DISCRIMINATOR_RATE = 3e-3
_ALTERNATING = GRPO(samples=GROUP, epochs=2)
DPO_UPDATES = 4
EVOLUTION_DEVIATION = 0.02
METHODS = (
    Method("PPO", 3e-3, (1e-3, 3e-3, 1e-2), optimised(PPO()), critic=True),
    Method("GRPO", 1e-2, (1e-3, 3e-3, 1e-2, 3e-2), optimised(GRPO(samples=GROUP))),
    Method("RLOO", 1e-2, (1e-3, 3e-3, 1e-2, 3e-2), optimised(Reinforce(samples=GROUP))),
    Method(
        "self-critical",
        3e-3,
        (3e-4, 1e-3, 3e-3, 1e-2),
        optimised(Reinforce(baseline="self_critical", samples=GROUP - 1), greedy=1),
    ),
    Method("alternation", 3e-3, (1e-3, 3e-3, 6e-3), alternating()),
    Method("DPO", 1e-3, (1e-4, 3e-4, 1e-3, 3e-3), PreferencesAsDrawn),
    Method("evolution", 3.0, (3.0, 6.0, 10.0), evolving),
)
REPEATED = (
    Method("GRPO, 4 epochs", 3e-3, (3e-3,), optimised(GRPO(samples=GROUP, epochs=4))),
    Method("RLOO, 4 epochs", 3e-3, (3e-3,), optimised(Reinforce(samples=GROUP, epochs=4))),
    Method("GRPO, 2 epochs", 3e-3, (3e-3,), optimised(_ALTERNATING)),
    Method("alternation, demonstrations", 3e-3, (3e-3,), alternating("demonstrations")),
    Method("alternation, head", 3e-3, (3e-3,), alternating(form="head")),
    Method("own likelihood", 3e-3, (3e-3,), own_likelihood),
)
"""Run where they are named. What of PPO's lead is its four passes over a batch; what of alternation's gain is the
judge's, and the form of what it teaches."""


def drawn_samples(
    loaded: LoadedModel,
    sampler: TokenSampler,
    items: Sequence[PromptItem],
    copies: int,
    temperature: float,
    seed: int,
    step: int = 0,
) -> list[Sample]:
    """`copies` responses to each item, those to one prompt together."""
    how = Sampling(max_tokens=ANSWER_TOKENS, temperature=temperature, seed=seed)
    rows = sampler.sample([item.token_ids for item in items], how, copies, step=step)
    return [as_sample(item, one, loaded.tokenizer) for item, row in zip(items, rows, strict=True) for one in row]


@dataclass(frozen=True, slots=True)
class Point:
    """How a policy does after so many samples and CPU-seconds: mean rewards on held-out prompts, and the KL of a whole
    response to the starting policy in nats."""

    samples: int
    seconds: float
    drawn: float
    greedy: float
    kl: float


def measured(policy: Policy, held_out: Sequence[PromptItem], reward: Reward, samples: int, seconds: float) -> Point:
    sampler = TokenSampler(policy.loaded)
    with policy.in_force(), torch.no_grad():
        drawn = drawn_samples(policy.loaded, sampler, held_out, 2, 1.0, 0)
        greedy = drawn_samples(policy.loaded, sampler, held_out, 1, 0.0, 0)
        groups = [Group(sample.prompt_ids, (sample.response_ids,)) for sample in drawn]
        ratio = policy.scores(groups, temperature=1.0).logprobs - policy.reference(groups, temperature=1.0)
    means = [statistics.fmean(reward(some)) for some in (drawn, greedy)]
    return Point(samples, seconds, means[0], means[1], float(ratio.sum(dim=1).mean()))


def one_run(
    task: Task, method: Method, rate: float, seed: int, held_out: Sequence[PromptItem], rounds: int, every: int
) -> list[Point]:
    """A method's points: before the first round, and after each `every` rounds."""
    policy = task.policy(critic=method.critic)
    began = time.process_time()
    learner = method.make(task, policy, rate, seed, rounds)
    seconds = time.process_time() - began
    points = [measured(policy, held_out, task.reward, 0, 0.0)]
    for index in range(rounds):
        began = time.process_time()
        learner.step(index)
        seconds += time.process_time() - began
        if (index + 1) % every == 0:
            points.append(measured(policy, held_out, task.reward, (index + 1) * ROUND, seconds))
    return points
