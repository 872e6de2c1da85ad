"""A small deterministic embedder, and documents to find."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from core.text import Document
from core.text.tokens import lexical_tokens

_TRANSLATION = {"退款": "refund", "补办": "replacement", "费用": "fee", "银行": "bank"}


class FakeEmbedder:
    """Bags of hashed tokens; a few Chinese words share the direction of their English translation."""

    def __init__(self, name: str = "fake", dimension: int = 64, seed: int = 0) -> None:
        self.name = name
        self.dimension = dimension
        self.seed = seed
        self.embedded: list[str] = []

    def encode_queries(self, texts):
        return self._encode(texts)

    def encode_passages(self, texts, progress=None):
        self.embedded.extend(texts)
        vectors = self._encode(texts)
        if progress:
            progress(len(texts), len(texts))
        return vectors

    def _encode(self, texts) -> np.ndarray:
        vectors = np.full((len(texts), self.dimension), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            for token in lexical_tokens(text):
                token = _TRANSLATION.get(token, token)
                vectors[row, zlib.crc32(f"{self.seed}{token}".encode()) % self.dimension] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def embedder() -> FakeEmbedder:
    return FakeEmbedder()


@pytest.fixture(scope="session")
def make_embedder() -> type[FakeEmbedder]:
    return FakeEmbedder


@pytest.fixture
def documents() -> list[Document]:
    return [
        Document(
            "cards-en",
            "Ordering a card takes five days.\n\n## Replacement\n\nA replacement costs six euro.\n",
            "en",
            "Cards",
            "cards.md",
            {"language": "en", "topic": "cards", "questions": "How much is a new card?\nMy card is lost, what now?"},
        ),
        Document(
            "refunds-en",
            "A shop sends the refund.\n\n## How long\n\nA refund arrives within ten days.\n",
            "en",
            "Refunds",
            "refunds.md",
            {"language": "en", "topic": "refunds"},
        ),
        Document(
            "cards-zh",
            "补办一张卡收费六欧元。\n\n## 邮寄\n\n平邮需要五天。\n",
            "zh",
            "银行卡",
            "cards-zh.md",
            {"language": "zh", "topic": "cards"},
        ),
    ]
