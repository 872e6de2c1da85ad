"""The index behind LangChain's interfaces."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.documents import Document as LangChainDocument
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda

from core.errors import InputError
from core.retrieval import HybridIndex
from core.retrieval.langchain_adapters import HybridVectorStore


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


@pytest.fixture
def embeddings(embedder) -> Embeddings:
    class Wrapped(Embeddings):
        model = "wrapped"

        def embed_query(self, text: str) -> list[float]:
            return (2 * embedder.encode_queries([text])[0]).tolist()  # not of length one

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return (2 * embedder.encode_passages(texts)).tolist()

    return Wrapped()


def test_a_vector_store_of_texts(embeddings, tmp_path):
    texts = ["A refund takes ten days.", "A new card costs six euro."]
    store = HybridVectorStore.from_texts(texts, embeddings, [{"n": 1}, {"n": 2}], path=tmp_path / "kb.index")
    (found,) = store.similarity_search("how long does a refund take", k=1)
    assert found.page_content == texts[0] and found.metadata["n"] == "1"
    (_, score), (_, lower) = store.similarity_search_with_score("refund", k=2)
    assert score > lower
    assert store.as_retriever(search_kwargs={"k": 1}).invoke("card")[0].page_content == texts[1]
    assert HybridVectorStore.from_texts([], embeddings, path=tmp_path / "kb.index").similarity_search("card")


def test_a_vector_store_forgets(embeddings):
    store = HybridVectorStore.from_texts(["refund", "card"], embeddings, ids=["a", "b"])
    assert store.add_documents([LangChainDocument("a fee", id="c")]) == ["c"]
    assert store.delete(["a"]) is True and store.delete(["a"]) is False
    assert {found.metadata["document_id"] for found in store.similarity_search("refund", k=9)} == {"b", "c"}
    assert store.delete() is True and store.similarity_search("refund") == []


def test_a_store_of_other_embeddings_is_refused(embeddings, tmp_path):
    HybridVectorStore.from_texts(["refund"], embeddings, path=tmp_path / "kb.index")
    embeddings.model = "another"
    with pytest.raises(InputError, match="built with the embedder 'wrapped'"):
        HybridVectorStore.from_texts(["card"], embeddings, path=tmp_path / "kb.index")
