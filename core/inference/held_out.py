"""Labelled inputs for measuring a way of asking: parts that share nothing, and figures with their intervals."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from core.prompts.demonstrations import plain_letters

_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class LabelledInput:
    """An input with the answers that would be right. Inputs of one `group` stay on one side of every split."""

    input: str
    references: tuple[str, ...]
    group: str = ""

    @property
    def group_key(self) -> str:
        return self.group or plain_letters(self.input)


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean with its 95 % interval over `n` inputs (bootstrap over groups)."""

    value: float
    low: float
    high: float
    n: int


def split_examples(
    examples: Sequence[LabelledInput], *, seed: int = 0, shares: tuple[float, float] = (0.4, 0.3)
) -> dict[str, list[LabelledInput]]:
    """Parts `train`, `validation` and `test`; `shares` are those of the first two. No group is in two parts.

    Groups are put in an order drawn with `seed`, whatever the order of the examples.
    """
    groups: dict[str, list[LabelledInput]] = {}
    for one in sorted(examples, key=lambda example: (example.group_key, example.input)):
        groups.setdefault(one.group_key, []).append(one)
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    parts: dict[str, list[LabelledInput]] = {"train": [], "validation": [], "test": []}
    wanted = {"train": shares[0] * len(examples), "validation": shares[1] * len(examples), "test": math.inf}
    for key in order:
        part = next(name for name in parts if len(parts[name]) + len(groups[key]) / 2 <= wanted[name])
        parts[part] += groups[key]
    return parts


def figure(values: Sequence[float], examples: Sequence[LabelledInput]) -> Figure:
    """The mean and its 95 % percentile bootstrap interval; whole groups are drawn, since their answers go together."""
    import numpy as np

    keys = {key: number for number, key in enumerate(dict.fromkeys(one.group_key for one in examples))}
    sums, sizes = np.zeros(len(keys)), np.zeros(len(keys))
    for value, one in zip(values, examples, strict=True):
        sums[keys[one.group_key]] += value
        sizes[keys[one.group_key]] += 1
    weights = np.random.default_rng(0).multinomial(len(keys), np.full(len(keys), 1 / len(keys)), size=_RESAMPLES)
    low, high = np.percentile((weights @ sums) / (weights @ sizes), [2.5, 97.5])
    return Figure(float(sums.sum() / sizes.sum()), float(low), float(high), len(examples))


def data_sha256(examples: Sequence[LabelledInput]) -> str:
    """Content hash of the examples, whatever their order."""
    rows = sorted(repr((one.input, one.references, one.group)) for one in examples)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
