"""From scores of classes to probabilities that are honest, and to the classes that are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating]
_BINS = 15


def fitted_temperature(logits: Scores, truth: Sequence[int]) -> float:
    """The temperature that makes `truth` likeliest under softmax(logits / T), from 0.05 to 20.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.

    Args:
        logits: ``(n, C)`` of examples that nothing was learned from.
    """
    scores = np.asarray(logits, dtype=np.float64)
    chosen = scores[np.arange(len(scores)), np.asarray(truth)]
    return _halved(lambda inverse: float((chosen - (softmax(scores * inverse) * scores).sum(axis=1)).mean()))


def fitted_temperature_of_sets(logits: Scores, truth: npt.NDArray[np.integer]) -> float:
    """The same under sigmoid(logits / T), for ``(n, C)`` classes that are there (1) or not (0)."""
    scores = np.asarray(logits, dtype=np.float64)
    return _halved(lambda inverse: float(((truth - sigmoid(scores * inverse)) * scores).mean()))


def _halved(slope: Callable[[float], float]) -> float:
    """The temperature where the log-likelihood's derivative by 1 / T, in which it is concave, is 0."""
    low, high = 1 / 20, 20.0
    for _ in range(60):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return float(1 / (low * high) ** 0.5)


def fitted_threshold(probabilities: Scores, truth: npt.NDArray[np.integer]) -> float:
    """The probability from which on classes are given so that micro-F1 is the highest; the highest such of equals.

    Args:
        probabilities, truth: ``(n, C)`` of examples that nothing was learned from.
    """
    order = np.argsort(-probabilities, axis=None, kind="stable")
    sure = probabilities.ravel()[order]
    hits = truth.ravel()[order].cumsum()
    f1 = 2 * hits / (np.arange(1, len(sure) + 1) + truth.sum())
    f1[:-1][sure[:-1] == sure[1:]] = -1.0  # no threshold parts what is equally sure
    best = int(f1.argmax())
    below = sure[best + 1] if best + 1 < len(sure) else 0.0
    return float((sure[best] + below) / 2)


def calibration_error(sure: Sequence[float], hit: Sequence[bool]) -> float:
    """Expected calibration error (Guo et al. 2017, eq. 3): mean distance of confidence and accuracy over 15 bins.

    Args:
        sure: the probability of what was given; hit: whether it was right.
    """
    confidence, right = np.asarray(sure), np.asarray(hit)
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [abs(float(confidence[bins == b].sum()) - int(right[bins == b].sum())) for b in range(_BINS)]
    return sum(gaps) / len(confidence)


def softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``(n, C)`` probabilities."""
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: npt.NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return probabilities


def sigmoid(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``(n, C)`` probabilities, each class by itself; without overflow."""
    small = np.exp(-np.abs(scores))
    probabilities: npt.NDArray[np.float64] = np.where(scores >= 0, 1 / (1 + small), small / (1 + small))
    return probabilities
