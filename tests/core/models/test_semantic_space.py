from __future__ import annotations

import random
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.models.semantic_space import (
    analogy,
    cluster,
    diverse,
    maximal_marginal_relevance,
    nearest,
    silhouette,
    similarity,
)


class Words:
    """Bags of words: each word has a random direction of its own."""

    def encode_queries(self, texts):
        rows = []
        for text in texts:
            directions = [
                np.random.default_rng(zlib.crc32(word.encode())).normal(size=96) for word in text.lower().split()
            ]
            rows.append(np.sum(directions, axis=0))
        vectors = np.asarray(rows, dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


WORDS = Words()


def test_similarity_is_one_row_a_text():
    found = similarity(WORDS, ["lost card", "交易 费用"], ["lost card", "card fee", "交易"])
    assert found.shape == (2, 3)
    assert found[0, 0] == pytest.approx(1, abs=1e-5)
    assert found[0, 1] > found[0, 2]
    assert found[1].argmax() == 2


def test_one_text_in_place_of_a_list_is_refused():
    with pytest.raises(InputError, match="one text"):
        similarity(WORDS, "lost card", ["x"])  # type: ignore[arg-type]


def test_nearest_come_first_and_keep_their_place():
    texts = ["weather today", "lost my card", "card lost", "fee"]
    found = nearest(WORDS, "lost card", texts, k=2)
    assert [item.index for item in found] == [2, 1]
    assert found[0].text == "card lost"
    assert found[0].similarity == pytest.approx(1, abs=1e-5)
    assert len(nearest(WORDS, "lost card", texts, k=9)) == 4
    assert nearest(WORDS, "lost card", []) == []


@pytest.mark.parametrize("k", [0, -1])
def test_no_fewer_than_one_neighbour(k: int):
    for find in (nearest, diverse):
        with pytest.raises(InputError):
            find(WORDS, "a", ["b"], k=k)
        with pytest.raises(InputError):
            find(WORDS, "a", [], k=k)


def slow_mmr(to_query, vectors, k, weight):
    chosen = [max(range(len(vectors)), key=lambda row: (to_query[row], -row))]
    while len(chosen) < min(k, len(vectors)):
        rest = [row for row in range(len(vectors)) if row not in chosen]
        likeness = {row: max(float(vectors[row] @ vectors[other]) for other in chosen) for row in rest}
        chosen.append(max(rest, key=lambda row: (weight * to_query[row] - (1 - weight) * likeness[row], -row)))
    return chosen


@given(seed=st.integers(0, 10_000), count=st.integers(1, 9), k=st.integers(1, 12), weight=st.sampled_from([0, 0.3, 1]))
def test_maximal_marginal_relevance_is_as_defined(seed: int, count: int, k: int, weight: float):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    to_query = vectors @ vectors[0]
    assert maximal_marginal_relevance(to_query, vectors, k, relevance=weight) == slow_mmr(to_query, vectors, k, weight)


def test_diverse_passes_over_what_says_the_same():
    texts = ["lost card abroad", "lost card abroad", "lost card today", "weather"]
    assert [item.index for item in diverse(WORDS, "lost card", texts, k=2, relevance=0.6)] == [0, 2]
    assert [item.index for item in diverse(WORDS, "lost card", texts, k=2, relevance=1)] == [0, 1]
    with pytest.raises(InputError, match="relevance"):
        diverse(WORDS, "lost card", texts, relevance=1.5)


def test_analogy_adds_what_tells_b_from_a_and_never_answers_with_the_question():
    candidates = ["lost card", "lost phone", "stolen card", "stolen phone", "weather today"]
    [found] = analogy(WORDS, "lost card", "stolen card", "lost phone", candidates)
    assert (found.text, found.index) == ("stolen phone", 3)
    everything = analogy(WORDS, "lost card", "stolen card", "lost phone", candidates, k=9)
    assert {item.text for item in everything} == {"stolen phone", "weather today"}
    with pytest.raises(InputError, match="no candidate"):
        analogy(WORDS, "a", "b", "c", ["a", "c"])


TOPICS = {"card": "lost card stolen", "fee": "fee charge 费用", "天气": "天气 今天 下雨", "loan": "loan rate year"}


def utterances() -> tuple[list[str], list[str]]:
    draw = random.Random(1)
    texts, topics = [], []
    for topic, words in TOPICS.items():
        for number in range(7):
            texts.append(" ".join([*draw.sample(words.split(), 2), f"w{number}{topic}"]))
            topics.append(topic)
    return texts, topics


def test_clusters_are_the_topics():
    texts, topics = utterances()
    found = cluster(WORDS, texts)
    assert len(found.clusters) == len(TOPICS)
    for one in found.clusters:
        assert len({topics[index] for index in one.members}) == 1
        assert one.label in [texts[index] for index in one.members]
        own = [texts[index] for index in one.members]
        to_all = similarity(WORDS, own, own).mean(axis=1)
        assert to_all[own.index(one.label)] == pytest.approx(to_all.max(), abs=1e-5)
        assert one.cohesion == pytest.approx(to_all.max(), abs=1e-4)
    assert sorted(index for one in found.clusters for index in one.members) == list(range(len(texts)))
    assert found.silhouette > 0.2


def test_order_changes_nothing_and_equal_texts_stay_together():
    texts, _ = utterances()
    texts += texts[:3]
    shuffled = random.Random(5).sample(texts, len(texts))
    first, second = cluster(WORDS, texts), cluster(WORDS, shuffled)
    named = [
        sorted((one.label, tuple(sorted(given[index] for index in one.members))) for one in found.clusters)
        for given, found in ((texts, first), (shuffled, second))
    ]
    assert named[0] == named[1]
    for repeated in texts[:3]:
        assert sum(any(texts[index] == repeated for index in one.members) for one in first.clusters) == 1


def test_few_texts_are_one_cluster():
    assert cluster(WORDS, []).clusters == ()
    [only] = cluster(WORDS, ["b", "a", "b"]).clusters
    assert only.members == (0, 1, 2)
    assert only.label == "b"
    with pytest.raises(InputError, match="blank"):
        cluster(WORDS, ["a", " "])


@given(seed=st.integers(0, 10_000), k=st.integers(2, 4))
def test_silhouette_equals_scikit_learn(seed: int, k: int):
    from sklearn.metrics import silhouette_score

    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(12, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.concatenate([np.arange(k), rng.integers(0, k, 12 - k)])
    assert silhouette(vectors, labels) == pytest.approx(silhouette_score(vectors, labels, metric="cosine"), abs=1e-6)


@pytest.mark.model("multilingual-e5-small")
def test_one_question_in_two_languages_is_one_cluster():
    from core.models import load_embedder

    texts = [
        *("How do I cancel my card?", "Please cancel the card", "Cancel card", "我想注销银行卡", "怎么取消这张卡"),
        *(
            "What is the weather tomorrow?",
            "Will it rain tomorrow?",
            "Weather forecast",
            "明天天气怎么样",
            "明天会下雨吗",
        ),
    ]
    found = cluster(load_embedder("multilingual-e5-small"), texts)
    assert {frozenset(one.members) for one in found.clusters} == {frozenset(range(5)), frozenset(range(5, 10))}
