"""Confidence intervals for the figures a suite reports."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def proportion(successes: float, n: int) -> Measure:
    """Wilson's score interval for `successes` out of `n` (Wilson 1927, JASA 22:209).

    `successes` may be fractional, as where ties share a rank. With `n == 0` nothing is known: 0 in [0, 1].
    """
    if n == 0:
        return Measure(0.0, 0.0, 1.0)
    p = successes / n
    centre = (p + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 * math.sqrt(p * (1 - p) / n + Z_95**2 / (4 * n**2)) / (1 + Z_95**2 / n)
    return Measure(p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half)))


def bootstrap(rows: Sequence[object], statistic: Callable[[list[object]], float], *, seed: int = 0) -> Measure:
    """Percentile bootstrap over `rows` (Efron 1979) for a figure that is no mean of rows, such as F1."""
    if not rows:
        return Measure(0.0, 0.0, 1.0)
    rng = np.random.default_rng(seed)
    items = list(rows)
    draws = [statistic([items[i] for i in rng.integers(0, len(items), len(items))]) for _ in range(_RESAMPLES)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return Measure(statistic(items), float(low), float(high))


def f1_measure(counts: Sequence[tuple[int, int, int]], *, seed: int = 0) -> Measure:
    """Micro F1 with a bootstrap interval over documents.

    Args:
        counts: `(true_positives, false_positives, false_negatives)` a document.
    """
    if not counts:
        return Measure(0.0, 0.0, 1.0)
    table: NDArray[np.float64] = np.asarray(counts, dtype=float)  # (n, 3)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(table), np.full(len(table), 1 / len(table)), size=_RESAMPLES)  # (R, n)
    sums = weights @ table  # (R, 3)
    low, high = np.percentile(_f1(sums), [2.5, 97.5])
    return Measure(float(_f1(table.sum(axis=0)[None])[0]), float(low), float(high))


def _f1(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    true_positive, false_positive, false_negative = sums.T
    denominator = 2 * true_positive + false_positive + false_negative
    scores: NDArray[np.float64] = 2 * true_positive / np.maximum(denominator, 1)
    return scores
