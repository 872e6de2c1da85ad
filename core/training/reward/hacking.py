"""Signs that a policy earns its reward in ways nobody meant: length, repetition, a held-out reward that does not come
along, a distance to the reference beyond the budget. Pure functions of what was drawn; no sign is proof."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.metrics.segmentation import units

CORRELATION = 0.6
"""Correlations beyond this are worth a look; with 50 samples chance alone passes .36 once in a hundred."""


@dataclass(frozen=True, slots=True)
class HackingSigns:
    """Figures, and the sentences that follow from them.

    Attributes:
        length_correlation, repetition_correlation: Pearson's, of the rewards with the length in characters and with the
            share of repeated word pairs; 0 where one of them does not vary.
        held_out_gain, gain: how much the held-out reward and the trained one rose since the first step.
        kl: mean KL to the reference, in nats a response.
    """

    length_correlation: float
    repetition_correlation: float
    gain: float
    held_out_gain: float | None
    kl: float | None
    warnings: tuple[str, ...]


def hacking_signs(
    texts: Sequence[str],
    rewards: Sequence[float],
    *,
    first_reward: float,
    held_out: Sequence[float] | None = None,
    first_held_out: float | None = None,
    kl: float | None = None,
    kl_budget: float | None = None,
    unrewarded: Mapping[str, float] | None = None,
) -> HackingSigns:
    """Look at responses of the trained policy and the rewards they got.

    Args:
        first_reward, first_held_out: means before training.
        held_out: another measure of the same responses, which the policy was not trained on.
        unrewarded: by name, how much further measures changed that are no part of the reward.
    """
    length = correlation(rewards, [float(len(text)) for text in texts])
    repeated = correlation(rewards, [repetition(text) for text in texts])
    gain = statistics.fmean(rewards) - first_reward
    held_out_gain = None
    if held_out is not None and first_held_out is not None:
        held_out_gain = statistics.fmean(held_out) - first_held_out
    found = []
    if abs(length) > CORRELATION:
        found.append(f"The reward goes with the length of the response (correlation {length:+.2f}).")
    if repeated > CORRELATION:
        found.append(f"The reward goes with repetition (correlation {repeated:+.2f}).")
    if gain > 0 and held_out_gain is not None and held_out_gain <= 0:
        found.append(f"The reward rose by {gain:.3g}, the held-out measure fell or stayed ({held_out_gain:+.3g}).")
    for name, change in (unrewarded or {}).items():
        if gain > 0 and change < 0:
            found.append(f"The reward rose by {gain:.3g}; {name}, which is no part of it, fell by {-change:.3g}.")
    if kl is not None and kl_budget is not None and kl > kl_budget:
        found.append(f"The KL to the reference is {kl:.3g} nats, over the budget of {kl_budget:g}.")
    return HackingSigns(length, repeated, gain, held_out_gain, kl, tuple(found))


def repetition(text: str) -> float:
    """The share of neighbouring token pairs that have come before; 0 for a text of less than three tokens."""
    pairs = list(pairwise(units(text)))
    return 1 - len(set(pairs)) / len(pairs) if len(pairs) > 1 else 0.0


def correlation(ones: Sequence[float], others: Sequence[float]) -> float:
    """Pearson's correlation; 0 where one side does not vary."""
    if len(ones) < 2 or statistics.pstdev(ones) == 0 or statistics.pstdev(others) == 0:
        return 0.0
    value = statistics.correlation(ones, others)
    return value if math.isfinite(value) else 0.0
