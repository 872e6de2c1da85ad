"""Exact vector search and the fused score, against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.retrieval.dense import PROBE_TEXTS, DenseIndex, measure_spread
from core.retrieval.fusion import Fusion


@pytest.fixture
def vectors() -> np.ndarray:
    raw = np.random.default_rng(7).normal(size=(40, 8)).astype(np.float32)
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def test_search_equals_sorting_all_products(vectors):
    index = DenseIndex(vectors)
    scores, rows = index.search(vectors[:3], 5)
    for query in range(3):
        products = [float(np.dot(vectors[query], row)) for row in vectors]
        expected = sorted(range(40), key=lambda row: -products[row])[:5]
        assert rows[query].tolist() == expected
        assert scores[query] == pytest.approx([products[row] for row in expected], abs=1e-6)


def test_only_allowed_rows_come_back(vectors):
    allowed = np.zeros(40, dtype=bool)
    allowed[[3, 17]] = True
    _, rows = DenseIndex(vectors).search(vectors[:1], 5, allowed)
    assert set(rows[0][:2].tolist()) == {3, 17} and rows[0][2:].tolist() == [-1, -1, -1]


def test_the_index_holds_the_vectors(vectors):
    assert np.array_equal(DenseIndex(vectors).vectors, vectors)
    assert DenseIndex(np.zeros((0, 8), dtype=np.float32)).vectors.shape == (0, 8)


def test_pooling_is_the_soft_maximum_of_each_run():
    cosines = np.asarray([0.9, 0.2, 0.85, 0.3], dtype=np.float32)
    pooled = Fusion(softness=0.1).pool(cosines, np.asarray([0, 3]), 0.5)
    first = 0.05 * math.log(sum(math.exp(value / 0.05) for value in (0.9, 0.2, 0.85)))
    assert pooled == pytest.approx([first, 0.3], abs=1e-6)
    assert Fusion().pool(np.zeros(0), np.zeros(0, dtype=int), 0.5).shape == (0,)


def test_scores_add_the_weighted_share():
    fused = Fusion(lexical_weight=2.0).scores(np.asarray([0.4, 0.0]), np.asarray([0.7, 0.8]), 0.25)
    assert fused == pytest.approx([0.9, 0.8])


def test_the_spread_is_the_distance_of_unrelated_texts(embedder):
    vectors = embedder.encode_passages(list(PROBE_TEXTS))
    cosines = [float(np.dot(a, b)) for at, a in enumerate(vectors) for b in vectors[:at]]
    assert measure_spread(embedder) == pytest.approx(1 - sum(cosines) / len(cosines), abs=1e-5)


def test_an_embedder_that_tells_nothing_apart_does_not_divide_by_zero(embedder):
    embedder.encode_passages = lambda texts: np.ones((len(texts), 1), dtype=np.float32)
    assert measure_spread(embedder) > 0
