"""Rewards made of rewards: weighted, brought to a common scale, and ensembles that distrust their own disagreement."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import InputError
from core.training.reward.reward import Reward, Sample, checked


@dataclass(frozen=True, slots=True)
class Mixture:
    """The weighted sum of rewards."""

    parts: tuple[tuple[float, Reward], ...]
    name: str = "mixture"

    def __call__(self, samples: Sequence[Sample]) -> list[float]:
        totals = [0.0] * len(samples)
        for weight, reward in self.parts:
            totals = [total + weight * value for total, value in zip(totals, reward(samples), strict=True)]
        return checked(self.name, totals, samples)


@dataclass(frozen=True, slots=True)
class Standardised:
    """A reward with mean 0 and deviation 1 on the samples it was measured on, by `standardised`; constant since then,
    so a step's reward does not depend on the steps before it."""

    reward: Reward
    mean: float
    deviation: float

    @property
    def name(self) -> str:
        return f"standardised {self.reward.name}"

    def __call__(self, samples: Sequence[Sample]) -> list[float]:
        return [(value - self.mean) / self.deviation for value in self.reward(samples)]


def standardised(reward: Reward, samples: Sequence[Sample]) -> Standardised:
    """Measure a reward's scale on `samples`, usually responses of the reference to prompts of the training data.

    Raises:
        InputError: it gives all of them the same, so that it has no scale.
    """
    values = reward(samples)
    deviation = statistics.pstdev(values)
    if deviation == 0 or not math.isfinite(deviation):
        raise InputError(
            f"The reward '{reward.name}' gives all {len(values)} samples {values[0]:g}: it has no scale.",
            hint="Give more samples, or use the reward as it is.",
        )
    return Standardised(reward, statistics.fmean(values), deviation)


@dataclass(frozen=True, slots=True)
class Ensemble:
    """The members' mean, less `caution` times their standard deviation: where they disagree the sample is unlike what
    they learned from, and its reward not to be trusted (Coste et al. 2024, uncertainty-weighted optimisation)."""

    members: tuple[Reward, ...]
    caution: float = 1.0
    name: str = "ensemble"

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise InputError("An ensemble has at least two members.", hint="Train more reward models.")

    def __call__(self, samples: Sequence[Sample]) -> list[float]:
        each = [member(samples) for member in self.members]
        rows = list(zip(*each, strict=True))
        return [statistics.fmean(row) - self.caution * statistics.pstdev(row) for row in rows]
