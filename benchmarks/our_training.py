"""Our side of `benchmarks.ppo_vs_trl` and `benchmarks.grpo_vs_trl`: one run in a process of its own.

python -m benchmarks.our_training FOLDER --algorithm ppo --critic shared --dtype bfloat16 --seeds 0
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification

from benchmarks.anchors.measure import Meter
from benchmarks.anchors.side import run_side
from benchmarks.anchors.task import Task
from core.models.activations import fuse_activations
from core.models.hardware import Placement, choose_placement
from core.models.loading import load_causal
from core.training.algorithms import GRPO, PPO
from core.training.experience import Algorithm, PromptItem
from core.training.kl_control import KLControl
from core.training.optimiser import OptimiserConfig
from core.training.policy import Policy, full_policy
from core.training.policy_learner import PolicyLearner
from core.training.practice import PracticeConfig
from core.training.reward import FunctionReward, Reward, Sample
from core.training.scorer import PackedScorer, Scorer
from core.training.streams import Group

NO_BOUND = 1e9
"""The anchors' loops do not clip gradients, or are told not to."""


@dataclass(frozen=True)
class TrunkReward:
    """A linear head on a trunk's state after the response's last token."""

    scorer: Scorer
    head: torch.Tensor
    name: str = "reward model"

    def __call__(self, samples: Sequence[Sample]) -> list[float]:
        groups = [Group(sample.prompt_ids, ((*sample.response_ids, 0),)) for sample in samples]
        with torch.no_grad():
            return (self.scorer.states(groups)[:, -1].float() @ self.head).tolist()


def share_of_even(sample: Sample) -> float:
    return sum(token % 2 == 0 for token in sample.response_ids) / len(sample.response_ids)


def make_reward(folder: Path, task: Task, policy: Policy, placement: Placement) -> Reward:
    """As the task says; its model is one of its own beside a separate critic, else the frozen reference's trunk."""
    if task.reward == "share":
        return FunctionReward(share_of_even, "share of even ids")
    classifier = AutoModelForSequenceClassification.from_pretrained(folder / "reward", dtype=placement.torch_dtype)
    fuse_activations(classifier)
    head = classifier.score.weight[0].detach().float()
    if policy.critic == "separate":
        trunk = classifier.base_model.to(placement.device).eval()
        return TrunkReward(PackedScorer(trunk, placement.device), head.to(placement.device))
    assert policy.reference_scorer is not None
    return TrunkReward(policy.reference_scorer, head.to(placement.device))


def make_learner(
    folder: Path,
    task: Task,
    given: argparse.Namespace,
    seed: int,
    kind: Callable[..., PolicyLearner] = PolicyLearner,
) -> PolicyLearner:
    placement = choose_placement()
    if given.dtype:
        placement = replace(placement, dtype=given.dtype)
    policy = full_policy(load_causal(str(folder / "policy"), placement=placement), critic=given.critic)
    policy.parameters.pop("value_head.bias", None)  # the anchor's critic has none; ours stays 0 as it starts
    algorithm: Algorithm = PPO(samples=task.draws) if given.algorithm == "ppo" else GRPO(samples=task.draws, kl=task.kl)
    return kind(
        policy,
        algorithm,
        make_reward(folder, task, policy, placement),
        [PromptItem(str(number), tuple(ids), "") for number, ids in enumerate(task.prompt_ids)],
        practice=PracticeConfig(prompts=task.prompts, max_tokens=task.response_tokens, kl=KLControl(task.kl)),
        optimiser=OptimiserConfig(learning_rate=task.learning_rate, schedule="linear", max_grad_norm=NO_BOUND),
        steps=task.steps,
        seed=seed,
    )


def kl_name(algorithm: str) -> str:
    """Of the figure the anchor calls KL: a response's by the log ratio in PPO, a token's as the loss has it in GRPO."""
    return "policy/kl" if algorithm == "ppo" else "loss/kl"


def run(folder: Path, task: Task, given: argparse.Namespace, seed: int) -> dict[str, Any]:
    meter = Meter(memory=given.memory)
    learner = make_learner(folder, task, given, seed)
    figures = []
    for index in range(task.steps):
        figures.append(learner.step(index))
        meter.lap()
    phases = {name: round(value, 2) for name, value in figures[-1].items() if name.startswith("seconds/")}
    return meter.report() | {
        "rewards": [figure["reward/mean"] for figure in figures],
        "kls": [figure[kl_name(given.algorithm)] for figure in figures],
        "phases": phases,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--algorithm", choices=["ppo", "grpo"], default="ppo")
    parser.add_argument("--critic", choices=["none", "shared", "separate"], default="none")
    parser.add_argument("--dtype", default="", help="default: what our own choice for this machine is")
    run_side(parser, run)


if __name__ == "__main__":
    main()
