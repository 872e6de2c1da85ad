"""A reranker orders the hits anew and changes nothing else about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.errors import InternalError
from core.retrieval import HybridIndex
from core.retrieval.langchain_adapters import to_langchain
from core.text import Document


class ByLength:
    """Prefers long passages; remembers what it was asked."""

    name = "by length"

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str]]] = []

    def score(self, query, passages):
        self.asked.append((query, list(passages)))
        return np.asarray([len(passage) for passage in passages], dtype=np.float32)


class Broken:
    name = "broken"

    def __init__(self, scores) -> None:
        self.scores = scores

    def score(self, query, passages):
        return np.asarray(self.scores(len(passages)))


@pytest.fixture
def index(embedder, documents) -> HybridIndex:
    index = HybridIndex(embedder)
    index.add(documents)
    return index


def test_the_order_is_the_reranker_s_and_the_other_scores_stay(index):
    plain = index.search("card refund fee", 50)
    reranked = index.search("card refund fee", 50, reranker=ByLength())
    assert [hit.rerank for hit in reranked] == sorted((hit.rerank for hit in reranked), reverse=True)
    assert all(hit.rerank == len(hit.passage.search_text) for hit in reranked)
    assert [hit.passage.id for hit in reranked] != [hit.passage.id for hit in plain]
    assert all(hit.rerank is None for hit in plain)
    by_id = {hit.passage.id: hit for hit in plain}
    assert {hit.passage.id: replace(hit, rerank=None) for hit in reranked} == by_id


def test_more_hits_are_read_again_than_are_asked_for(embedder):
    index = HybridIndex(embedder)
    index.add([Document(f"d{number}", f"fee {'x' * number}", "en") for number in range(90)])
    reranker = ByLength()
    (best,) = index.search("fee", 1, reranker=reranker)
    assert len(reranker.asked[-1][1]) == 20
    assert best.rerank == max(len(text) for text in reranker.asked[-1][1])
    assert len(index.search("fee", 30, reranker=reranker)) == 30
    assert len(reranker.asked[-1][1]) == 60


def test_one_per_document_is_the_best_passage_of_each(index):
    plain = index.search("card refund", 9, one_per_document=True)
    reranked = index.search("card refund", 9, one_per_document=True, reranker=ByLength())
    assert {hit.passage.id for hit in reranked} == {hit.passage.id for hit in plain}


def test_several_queries_are_each_put_to_it(index):
    reranker = ByLength()
    found = index.search_many(["card", "退款"], 2, reranker=reranker)
    assert [query for query, _ in reranker.asked] == ["card", "退款"]
    assert [len(hits) for hits in found] == [2, 2]


@pytest.mark.parametrize("scores", [lambda n: np.zeros(n - 1), lambda n: np.full(n, np.nan)])
def test_unusable_scores_are_an_error(index, scores):
    with pytest.raises(InternalError, match="broken"):
        index.search("card", reranker=Broken(scores))


def test_the_retriever_passes_it_on(index):
    found = index.as_retriever(k=4, reranker=ByLength()).invoke("card refund fee")
    hits = index.search("card refund fee", 4, reranker=ByLength())
    assert [document.id for document in found] == [hit.passage.id for hit in hits]
    assert [document.metadata["rerank_score"] for document in found] == [hit.rerank for hit in hits]
    assert "rerank_score" not in to_langchain(index.search("card")[0]).metadata
