"""The knowledge base's own questions with their vectors: what topics and coverage are learnt from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.config import settings
from core.training.supervised.probe import LinearClassifier, Vectors

if TYPE_CHECKING:
    from apps.customer_service.knowledge import KnowledgeBase
    from core.progress import ProgressCallback


@dataclass(frozen=True, slots=True, eq=False)
class QuestionBank:
    """Every question of every article.

    Attributes:
        texts, topics, languages: one entry a question.
        vectors: `(n, d)` from the knowledge base's embedder, encoded as queries.
        encoder: that embedder's name.
    """

    texts: tuple[str, ...]
    topics: tuple[str, ...]
    languages: NDArray[np.str_]
    vectors: Vectors
    encoder: str

    def nearest(self, vectors: Vectors, languages: NDArray[np.str_], *, leave_one_out: bool = False) -> Vectors:
        """`(m,)` cosines of each row to the nearest question of its language; to the nearest other one if left out.

        With `leave_one_out` the rows must be the bank's own, in order. Without a question of the language, 0.
        """
        cosines = np.where(languages[:, None] == self.languages[None, :], vectors @ self.vectors.T, 0.0)
        if leave_one_out:
            np.fill_diagonal(cosines, 0.0)
        nearest: Vectors = cosines.max(axis=1).astype(np.float32)
        return nearest


def read_question_bank(base: KnowledgeBase, progress: ProgressCallback | None = None) -> QuestionBank:
    """The bank of `base`; titles count as questions."""
    rows = [
        (text, article.topic, article.language)
        for article in base.articles.values()
        if article.questions
        for text in (*article.questions, article.title)
    ]
    texts = tuple(row[0] for row in rows)
    vectors = base.embedder.encode_queries(list(texts))
    if progress:
        progress(len(texts), len(texts))
    return QuestionBank(
        texts, tuple(row[1] for row in rows), np.array([row[2] for row in rows]), vectors, base.embedder.name
    )


def fitted_once(
    name: str, vectors: Vectors, inputs: tuple[object, ...], make: Callable[[], LinearClassifier]
) -> LinearClassifier:
    """The classifier fitted to `vectors` and `inputs` (labels, settings), from the cache where it was fitted before."""
    digest = hashlib.sha256(vectors.tobytes() + repr(inputs).encode()).hexdigest()[:16]
    path = settings().cache_dir / "customer_service" / "classifiers" / f"{name}-{digest}.safetensors"
    if path.is_file():
        return LinearClassifier.load(path)
    made = make()
    made.save(path)
    return made
