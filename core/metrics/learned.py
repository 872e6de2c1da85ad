"""A scorer that was learned, or any other function of texts, as a metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.errors import InternalError
from core.metrics.metric import NO_CONTEXT, Context, Contexts, Need, Score, matched_contexts


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
