"""The index behind LangChain's interfaces."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.documents import Document as LangChainDocument
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda

from core.retrieval import HybridIndex


@pytest.fixture
def index(embedder, documents) -> HybridIndex:
    index = HybridIndex(embedder)
    index.add(documents)
    return index


def test_is_a_retriever_that_gives_documents_with_their_origin(index):
    retriever = index.as_retriever(k=2)
    assert isinstance(retriever, BaseRetriever)
    found = retriever.invoke("how long does a refund take")
    assert len(found) == 2 and all(isinstance(document, LangChainDocument) for document in found)
    hit = index.search("how long does a refund take")[0]
    assert found[0].page_content == hit.passage.text and found[0].id == hit.passage.id
    assert found[0].metadata["document_id"] == "refunds-en" and found[0].metadata["heading_path"] == ["How long"]
    assert (found[0].metadata["start"], found[0].metadata["end"]) == (hit.passage.span.start, hit.passage.span.end)
    assert found[0].metadata["score"] == hit.score and found[0].metadata["lexical_score"] == hit.lexical


def test_k_and_language_per_retriever_and_per_call(index):
    assert len(index.as_retriever(k=3).invoke("card")) == 3
    assert len(index.as_retriever(k=3).invoke("card", k=1)) == 1
    assert {d.metadata["language"] for d in index.as_retriever(language="zh").invoke("card")} == {"zh"}


def test_async_batch_and_chains(index):
    retriever = index.as_retriever(k=1)
    expected = [document.id for document in retriever.invoke("refund")]
    assert [document.id for document in asyncio.run(retriever.ainvoke("refund"))] == expected
    assert [[d.id for d in found] for found in retriever.batch(["refund", "refund"])] == [expected, expected]
    assert (retriever | RunnableLambda(lambda found: found[0].id)).invoke("refund") == expected[0]
