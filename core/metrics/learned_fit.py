"""Learning a linear head from groups of candidates, each group answers to one question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.errors import InputError
from core.metrics.learned import LinearHead

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]


def fit_head(
    groups: Sequence[tuple[Vectors, Sequence[float]]], *, ridge: float, prior: Sequence[float] | None = None
) -> LinearHead:
    """Ridge regression of targets on features within each group: what tells apart answers to the same question.

    Features and targets are taken less their group's mean, so that the difficulty of a question teaches nothing, and
    each feature is divided by its standard deviation. Solved through whichever of the two Gram matrices is smaller
    (Hastie, Tibshirani and Friedman 2009, sections 3.4.1 and 18.3.5).

    Args:
        groups: features ``(n, d)`` and targets ``(n,)`` of each.
        ridge: penalty on the squared weights.
        prior: how large the weight of each feature may grow beside the others'; 1 for all where None.

    Raises:
        InputError: nothing to learn from, or a penalty that is not above 0.
    """
    import numpy as np

    if not groups or ridge <= 0:
        raise InputError("A head needs groups to learn from and a ridge above 0.", hint="Give both.")
    every = np.concatenate([features for features, _ in groups]).astype(np.float64)
    scale = np.asarray(prior if prior is not None else np.ones(every.shape[1])) / (every.std(axis=0) + 1e-3)
    centred = np.concatenate([features - features.mean(axis=0) for features, _ in groups]).astype(np.float64) * scale
    targets = [np.asarray(values, dtype=np.float64) for _, values in groups]
    wanted = np.concatenate([values - values.mean() for values in targets])
    rows, columns = centred.shape
    if columns > rows:
        weights = centred.T @ np.linalg.solve(centred @ centred.T + ridge * np.eye(rows), wanted)
    else:
        weights = np.linalg.solve(centred.T @ centred + ridge * np.eye(columns), centred.T @ wanted)
    weights = weights * scale
    bias = float(np.concatenate(targets).mean() - every.mean(axis=0) @ weights)
    return LinearHead(weights.astype(np.float32), bias)
