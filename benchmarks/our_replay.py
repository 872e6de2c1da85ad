"""Our side of `--replay`: the learner goes through what the anchor drew, and its weights are laid beside the anchor's.

python -m benchmarks.our_replay FOLDER --recording RECORDING --algorithm grpo
"""

from __future__ import annotations

import argparse
import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from benchmarks.anchors.record import Recording
from benchmarks.anchors.task import read_task
from benchmarks.our_training import kl_name, make_learner
from core.inference.rollout import SampledTokens
from core.training.experience import PromptItem
from core.training.policy_learner import PolicyLearner
from core.training.practice import Drawn, Practice, tells


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPractice(Practice):
    """Practice whose responses another learner drew."""

    recording: Recording

    def draw(self, index: int) -> Drawn:
        """What was recorded of the step. Raises `ValueError` for a group whose prompts differ."""
        rows = self.recording.drawn(index)
        items, drawn = [], []
        for start in range(0, len(rows), self.samples):
            group = rows[start : start + self.samples]
            if len({prompt for prompt, _ in group}) != 1:
                raise ValueError(f"rows {start} to {start + self.samples} of step {index} do not have one prompt")
            items.append(PromptItem(str(start), group[0][0], ""))
            drawn.append([SampledTokens(ids, (math.nan,) * len(ids), "length") for _, ids in group])
        scored = self.rewarded(items, drawn)
        mean = fmean(score for row in scored for _, score in row)
        return Drawn(index, items, drawn, scored, mean, fmean(map(tells, scored)), {"draw": 0.0, "reward": 0.0})


class Replayed(PolicyLearner):
    """Takes its prompts and responses from a recording. With what probability they were drawn is not in it: an
    algorithm that asked for that would learn NaN and stop."""

    def __init__(self, recording: Recording, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        given = {field.name: getattr(self._practice, field.name) for field in fields(Practice)}
        self._practice = RecordedPractice(recording=recording, **given)

    def weights(self) -> dict[str, torch.Tensor]:
        """A copy of the policy's as they are."""
        return {name: one.detach().clone() for name, one in self._policy.loaded.model.named_parameters()}


def distance(ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> float:
    """Euclidean, over all weights together. Both must have the same names."""
    if set(ours) != set(theirs):
        raise ValueError(f"weights on one side only: {sorted(set(ours) ^ set(theirs))}")
    return math.sqrt(sum(float((ours[name] - theirs[name]).double().square().sum()) for name in ours))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recording", type=Path, required=True)
    parser.add_argument("--algorithm", choices=["ppo", "grpo"], required=True)
    parser.add_argument("--critic", choices=["none", "separate"], default="none")
    parser.set_defaults(dtype="float32")
    given = parser.parse_args()
    task, recording = read_task(given.folder), Recording(given.recording)
    learner = make_learner(given.folder, task, given, 0, kind=functools.partial(Replayed, recording))
    assert isinstance(learner, Replayed)
    start = learner.weights()
    figures, apart = [], []
    for index in range(task.steps):
        figures.append(learner.step(index))
        theirs = recording.learned(index)
        apart.append(distance(learner.weights(), theirs) / distance(theirs, start))
    report = {
        "rewards": [figure["reward/mean"] for figure in figures],
        "kls": [figure[kl_name(given.algorithm)] for figure in figures],
        "losses": [figure["loss"] for figure in figures],
        "gradient_norms": [figure["gradient_norm"] for figure in figures],
        "weights_apart": apart,
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
