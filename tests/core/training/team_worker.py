"""What a process of a team does in `test_team`: every learner, some steps, weights and figures written to a folder."""

from __future__ import annotations

import atexit
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from core.models.hardware import Placement
from core.models.loading import LoadedModel, load_causal
from core.training.algorithms import GRPO, PPO, Reinforce
from core.training.evolution import EvolutionConfig, EvolutionLearner
from core.training.experience import PromptItem
from core.training.faults import TrainingFault
from core.training.ift import AlternatingLearner, AlternationConfig
from core.training.kl_control import KLControl
from core.training.loop import Learner, LoopConfig, run
from core.training.optimiser import OptimiserConfig
from core.training.policy import adapted_policy, full_policy
from core.training.policy_learner import PolicyLearner
from core.training.practice import PracticeConfig
from core.training.preference import PreferenceConfig, PreferenceLearner, PreferencePair
from core.training.reward import FunctionReward, Reward, Sample
from core.training.reward.model import RewardModelConfig, RewardModelLearner, new_reward_model
from core.training.supervised import CausalObjective, SupervisedLearner
from core.training.team import Team, current_team

STEPS = 2
TEXTS = ["abc", "hello w", "12"]
ITEMS = [PromptItem(str(number), tuple(text.encode()), text) for number, text in enumerate(TEXTS)]
STEADY = OptimiserConfig(learning_rate=0.1, epsilon=1.0)
"""Adam with a small epsilon blows a gradient that is rounding alone up to 1."""
LETTERS = FunctionReward(lambda sample: sum("a" <= letter <= "m" for letter in sample.text) / 8, "small letters")
PAIRS = [
    PreferencePair(str(number), (65 + number, 70, 71), tuple(range(64, 68 + number % 3)), (15, 16, 17 + number))
    for number in range(7)
]
ALGORITHMS = {
    "ppo": PPO(samples=2, epochs=2, minibatches=2),
    "grpo": GRPO(samples=4),
    "self_critical": Reinforce(samples=2, baseline="self_critical"),
}


class Rows:
    """Twelve rows of letters that follow one another, three a batch."""

    def __len__(self) -> int:
        return 4

    def batch(self, epoch: int, index: int) -> dict[str, torch.Tensor]:
        starts = [64 + (3 * index + row + epoch) % 12 for row in range(3)]
        ids = torch.tensor([[start + step for step in range(8)] for start in starts])
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids, "items": torch.tensor(starts)}


def practised(loaded: LoadedModel, name: str, team: Team, reward: Reward = LETTERS) -> PolicyLearner:
    """Four prompts of three a step: one comes twice, and its responses must not be the same ones."""
    algorithm = ALGORITHMS[name]
    policy = full_policy(loaded, critic="shared" if algorithm.uses_critic else "none")
    steered = KLControl(0.05, target=0.5, horizon=50)
    practice = PracticeConfig(prompts=4, max_tokens=6, kl=steered if name == "ppo" else KLControl(0.05))
    return PolicyLearner(
        policy, algorithm, reward, ITEMS, practice=practice, optimiser=STEADY, steps=9, seed=3, team=team
    )


def preferring(loaded: LoadedModel, objective: str, team: Team) -> PreferenceLearner:
    policy = adapted_policy(loaded, seed=0, rank=4, targets="all")
    config = PreferenceConfig(objective=objective, pairs=5, piece_pairs=2)
    return PreferenceLearner(policy, PAIRS, config, optimiser=STEADY, steps=9, seed=1, team=team)


def supervised(loaded: LoadedModel, team: Team, model: torch.nn.Module | None = None) -> SupervisedLearner:
    model = model or loaded.model
    named = dict(model.named_parameters())
    return SupervisedLearner(
        model, named, CausalObjective(), Rows(), optimiser=STEADY, steps=9, seed=1, piece_rows=2, team=team
    )


def evolving(loaded: LoadedModel, team: Team) -> EvolutionLearner:
    config = EvolutionConfig(pairs=3, deviation=0.3, learning_rate=0.6, prompts=3, max_tokens=8)
    policy = adapted_policy(loaded, seed=0, rank=4, targets="all")
    return EvolutionLearner(policy, LETTERS, ITEMS, config, seed=0, team=team)


def judging(loaded: LoadedModel, team: Team) -> RewardModelLearner:
    policy = adapted_policy(loaded, seed=0, rank=2)
    assert policy.adapters is not None
    model = new_reward_model(policy.adapters, policy.scorer, end_id=1, seed=0, rank=2)
    config = RewardModelConfig(pairs=5, piece_pairs=2)
    return RewardModelLearner(model, PAIRS, config, optimiser=STEADY, steps=9, seed=1, team=team)


def alternating(loaded: LoadedModel, team: Team) -> AlternatingLearner:
    policy = adapted_policy(loaded, seed=0, rank=2)
    assert policy.adapters is not None
    model = new_reward_model(policy.adapters, policy.scorer, end_id=1, seed=0, adapter=None)
    practice = PracticeConfig(prompts=3, max_tokens=4, kl=KLControl(0.0))
    learner = PolicyLearner(
        policy, GRPO(samples=4), model, ITEMS, practice=practice, optimiser=STEADY, steps=9, seed=0, team=team
    )
    config = AlternationConfig(warm_up=1, reward=RewardModelConfig(pairs=4))
    return AlternatingLearner(learner, model, {}, config, optimiser=STEADY, seed=0, judge=LETTERS, team=team)


LEARNERS: Mapping[str, Callable[[LoadedModel, Team], Learner]] = {
    "sft": supervised,
    **{name: lambda loaded, team, name=name: practised(loaded, name, team) for name in ALGORITHMS},
    "dpo": lambda loaded, team: preferring(loaded, "dpo", team),
    "kto": lambda loaded, team: preferring(loaded, "kto", team),
    "evolution": evolving,
    "reward model": judging,
    "alternation": alternating,
}


def tiny(folder: Path) -> LoadedModel:
    return load_causal(str(folder), placement=Placement("cpu", "float32", "tests compare exactly"))


def learned(name: str, folder: Path, team: Team) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    """Weights and figures after some steps."""
    learner = LEARNERS[name](tiny(folder), team)
    figures = [dict(learner.step(index)) for index in range(STEPS)]
    masters = {key: value.clone() for key, value in learner.state().tensors.items() if "master/" in key}
    return masters, [{key: value for key, value in row.items() if not key.startswith("seconds/")} for row in figures]


def fails_in_one(sample: Sample) -> float:
    if sample.prompt_id == "1":
        raise ValueError("no such verdict")
    return 0.5


def main(folder: Path, out: Path) -> None:
    """Every learner; a run in the loop that goes on from a checkpoint of one process; a reward that fails in one."""
    from safetensors.torch import save_file
    from torch.distributed import is_initialized

    atexit.register(lambda: (out / f"left-{rank}").write_text(str(not is_initialized()), encoding="utf-8"))
    team = current_team()
    rank = team.rank
    assert team.size == 2
    report: dict[str, object] = {}
    for name in LEARNERS:
        masters, report[name] = learned(name, folder, team)
        save_file(masters, out / f"{name} {team.rank}.safetensors")
    learner = supervised(tiny(folder), team)
    held_out = iter([0.5, 0.7]) if team.rank == 0 else iter([0.9, 0.1])
    config = LoopConfig(steps=4, checkpoint_every=2, evaluate_every=2, trackers=())
    result = run(learner, config, out / "resumed", evaluate=lambda: next(held_out), team=team)
    report["loop"] = [result.resumed_at, result.best_step, result.best_value]
    try:
        practised(tiny(folder), "grpo", team, FunctionReward(fails_in_one, "fails")).step(0)
    except TrainingFault as fault:
        report["fault"] = fault.message
    (out / f"report-{team.rank}.json").write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
