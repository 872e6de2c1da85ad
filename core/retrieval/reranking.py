"""The best hits read once more, each together with the query, by a cross-encoder.

A reranker changes the order of hits and nothing else: their lexical, dense and fused scores stay what they were, so a
threshold on these means the same with and without one. The best hit by the reranker need not have the best fused score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from core.errors import InternalError
from core.retrieval.passages import Hit

if TYPE_CHECKING:
    import numpy as np

RERANKED = 20
"""Hits that are read again, at least twice as many as are asked for. A bound on time and not a measured optimum: each
costs a forward pass of the reranker."""


class Reranker(Protocol):
    """What says how well passages answer a query; `core.models.Reranker` is one."""

    @property
    def name(self) -> str: ...

    def score(self, query: str, passages: Sequence[str]) -> np.ndarray:
        """``(n,)`` finite numbers, higher is better."""
        ...


def rerank(query: str, hits: Sequence[Hit], reranker: Reranker) -> list[Hit]:
    """The hits with their `rerank` score, best first; equal ones in the order they came.

    Raises:
        InternalError: the reranker gave another number of scores, or one that is not finite.
    """
    import numpy as np

    scores = np.asarray(reranker.score(query, [hit.passage.search_text for hit in hits]))
    if scores.shape != (len(hits),) or not np.isfinite(scores).all():
        raise InternalError(f"The reranker '{reranker.name}' gave no usable scores for {len(hits)} passages.")
    scored = [replace(hit, rerank=float(score)) for hit, score in zip(hits, scores, strict=True)]
    return [scored[place] for place in np.argsort(-scores, kind="stable")]
