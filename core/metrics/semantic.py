"""Measures by a sentence encoder: likeness to the references, relevance to the question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from core.metrics.metric import NO_CONTEXT, Contexts, Need, Score, matched_contexts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]


class SentenceEncoder(Protocol):
    """What is needed of an embedder: unit vectors, one row a text (`core.models.load_embedder` gives one)."""

    def encode_queries(self, texts: Sequence[str]) -> Vectors: ...

    def encode_passages(self, texts: Sequence[str]) -> Vectors: ...


@dataclass(frozen=True, slots=True)
class SemanticSimilarity:
    """Cosine of candidate and reference, the best of the references; below 0 counts as 0. Needs references.

    It ranks candidates; as a quantity it depends on the encoder. With multilingual-e5-small unrelated sentences
    already lie near 0.8.
    """

    embedder: SentenceEncoder
    name: str = "semantic"
    needs: frozenset[Need] = frozenset({"references"})

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        matched = matched_contexts(self, candidates, contexts)
        texts = list(dict.fromkeys([*candidates, *(text for context in matched for text in context.references)]))
        row = {text: index for index, text in enumerate(texts)}
        vectors = self.embedder.encode_passages(texts)
        return [
            Score(max(_cosine(vectors[row[own]], vectors[row[other]]) for other in context.references))
            for own, context in zip(candidates, matched, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Relevance:
    """Cosine of the prompt as a question and the candidate as a passage; below 0 counts as 0. Needs a prompt."""

    embedder: SentenceEncoder
    name: str = "relevance"
    needs: frozenset[Need] = frozenset({"prompt"})

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        matched = matched_contexts(self, candidates, contexts)
        prompts = list(dict.fromkeys(context.prompt for context in matched))
        row = {prompt: index for index, prompt in enumerate(prompts)}
        asked = self.embedder.encode_queries(prompts)
        answered = self.embedder.encode_passages(list(candidates))
        return [Score(_cosine(asked[row[context.prompt]], own)) for context, own in zip(matched, answered, strict=True)]


def _cosine(first: Vectors, second: Vectors) -> float:
    return min(1.0, max(0.0, float(first @ second)))
