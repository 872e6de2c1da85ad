"""Scorers that were learned, or any other function of texts, as metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import InputError, InternalError, UnreadableFile
from core.files import atomic_path
from core.metrics.metric import NO_CONTEXT, Context, Contexts, Need, Score, matched_contexts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

WEIGHTS = "head.safetensors"


@dataclass(frozen=True, slots=True)
class ScoredBy:
    """Whatever `function` gives: one number a candidate, called once for the whole batch.

    The values are taken as they are; a reward model's need not lie between 0 and 1.
    """

    function: Callable[[Sequence[str], Sequence[Context]], Sequence[float]]
    name: str
    needs: frozenset[Need] = frozenset()

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        """As `Metric.score`. Raises `InternalError` where the function gives another count, or not a finite number."""
        from math import isfinite

        values = [float(value) for value in self.function(candidates, matched_contexts(self, candidates, contexts))]
        if len(values) != len(candidates) or not all(map(isfinite, values)):
            raise InternalError(f"{self.name}: {len(candidates)} finite numbers were wanted, {values[:5]} … came.")
        return [Score(value) for value in values]


@dataclass(frozen=True, slots=True, eq=False)
class LinearHead:
    """`weights` ``(d,)`` and a bias: what features are worth. `core.metrics.learned_fit` learns one."""

    weights: Vectors
    bias: float

    def values(self, features: Vectors) -> Vectors:
        """``(n,)`` of features ``(n, d)``. Raises `InputError` for another d."""
        if features.ndim != 2 or features.shape[1] != len(self.weights):
            raise InputError(
                f"The head was learned on {len(self.weights)} features; {features.shape} came.",
                hint="Use the features it was learned with.",
            )
        result: Vectors = features @ self.weights + self.bias
        return result

    def write(self, folder: Path) -> None:
        """Leaves `head.safetensors` in the folder."""
        import numpy as np
        from safetensors.numpy import save_file

        tensors = {"weights": self.weights.astype(np.float32), "bias": np.array([self.bias], dtype=np.float32)}
        with atomic_path(folder / WEIGHTS) as path:
            save_file(tensors, path)

    @classmethod
    def read(cls, folder: Path) -> LinearHead:
        """What `write` left. Raises `UnreadableFile` where it is missing, damaged, or not a head."""
        import numpy as np
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            found = load_file(folder / WEIGHTS)
            weights, bias = found["weights"], found["bias"]
        except (OSError, SafetensorError, KeyError) as error:
            raise UnreadableFile(
                f"There is no learned head in '{folder}': {error}.", hint="Learn the reward again."
            ) from error
        if weights.ndim != 1 or bias.shape != (1,) or not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise UnreadableFile(f"The learned head in '{folder}' is damaged.", hint="Learn the reward again.")
        return cls(weights, float(bias[0]))


@dataclass(frozen=True, slots=True, eq=False)
class LearnedReward:
    """What a learned head makes of features of each candidate in its context. Needs a prompt and evidence.

    Higher is better among answers to one question; the value estimates the measure the head was learned on, and does
    not say how hard the question is.

    Attributes:
        features: ``(n, d)`` of n candidates with their contexts, called once for the whole batch.
    """

    features: Callable[[Sequence[str], Sequence[Context]], Vectors]
    head: LinearHead
    name: str = "learned_reward"
    needs: frozenset[Need] = frozenset({"prompt", "evidence"})

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        matched = matched_contexts(self, candidates, contexts)
        if not candidates:
            return []
        values = self.head.values(self.features(candidates, matched))
        return [Score(float(value)) for value in values]
