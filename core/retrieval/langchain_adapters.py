"""The index as LangChain knows one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document as LangChainDocument
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from pydantic import ConfigDict

from core.retrieval.dense import PROBE_TEXTS
from core.retrieval.index import HybridIndex
from core.retrieval.passages import Hit
from core.text import Document, detect_language

if TYPE_CHECKING:
    import numpy as np

    from core.progress import ProgressCallback


class HybridRetriever(BaseRetriever):
    """Retrieves by `HybridIndex.search`. `k` may be given per call: `retriever.invoke(query, k=3)`."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    index: HybridIndex
    k: int = 5
    language: str | None = None
    reranker: Any = None
    """A `core.retrieval.Reranker`, or None."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **options: Any
    ) -> list[LangChainDocument]:
        k = int(options.get("k", self.k))
        language = options.get("language", self.language)
        hits = self.index.search(query, k, language=language, reranker=self.reranker)
        return [to_langchain(hit) for hit in hits]


def to_langchain(hit: Hit) -> LangChainDocument:
    """A hit as a LangChain document: the passage's text, and where it comes from and its scores as metadata."""
    passage = hit.passage
    return LangChainDocument(
        page_content=passage.text,
        id=passage.id,
        metadata={
            **passage.metadata,
            "document_id": passage.document_id,
            "title": passage.title,
            "source": passage.source,
            "language": passage.language,
            "heading_path": list(passage.heading_path),
            "start": passage.span.start,
            "end": passage.span.end,
            "score": hit.score,
            "lexical_score": hit.lexical,
            "dense_score": hit.dense,
            **({} if hit.rerank is None else {"rerank_score": hit.rerank}),
        },
    )


class HybridVectorStore(VectorStore):
    """A `HybridIndex` as a LangChain vector store. Each text added is a document; long ones give several passages.

    Scores are the fused ones: higher is better, and they may exceed 1.
    """

    def __init__(self, index: HybridIndex) -> None:
        self.index = index

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **options: Any,
    ) -> list[str]:
        held = list(texts)
        names = ids or [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16] for text in held]
        details = metadatas or [{} for _ in held]
        documents = {
            name: Document(name, text, detect_language(text), metadata={key: str(value) for key, value in more.items()})
            for name, text, more in zip(names, held, details, strict=True)
        }
        self.index.add(documents.values())
        return names

    def delete(self, ids: list[str] | None = None, **options: Any) -> bool:
        """Remove documents by id; all of them where `ids` is None. False where one of `ids` was not there."""
        wanted = list(self.index.document_ids) if ids is None else ids
        return set(self.index.remove(wanted).removed) == set(wanted)

    def similarity_search(self, query: str, k: int = 4, **options: Any) -> list[LangChainDocument]:
        return [document for document, _ in self.similarity_search_with_score(query, k, **options)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, **options: Any
    ) -> list[tuple[LangChainDocument, float]]:
        hits = self.index.search(query, k, language=options.get("language"), filter=options.get("filter"))
        return [(to_langchain(hit), hit.score) for hit in hits]

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        path: str | Path | None = None,
        **options: Any,
    ) -> HybridVectorStore:
        """A store of `texts`, kept in the folder `path`, in memory where it is None."""
        embedder = _LangChainEmbedder(embedding)
        store = cls(HybridIndex.open(path, embedder=embedder) if path is not None else HybridIndex(embedder))
        store.add_texts(texts, metadatas, ids=ids)
        return store


class _LangChainEmbedder:
    """LangChain embeddings in the place of ours; rows are brought to length one."""

    def __init__(self, embedding: Embeddings) -> None:
        self._embedding = embedding
        self.name = str(getattr(embedding, "model", None) or getattr(embedding, "model_name", type(embedding).__name__))
        self.dimension = len(embedding.embed_query(PROBE_TEXTS[0]))

    def encode_queries(self, texts: list[str]) -> np.ndarray:
        return _unit_rows([self._embedding.embed_query(text) for text in texts])

    def encode_passages(self, texts: list[str], progress: ProgressCallback | None = None) -> np.ndarray:
        vectors = _unit_rows(self._embedding.embed_documents(texts))
        if progress:
            progress(len(texts), len(texts))
        return vectors


def _unit_rows(rows: list[list[float]]) -> np.ndarray:
    import numpy as np

    vectors = np.asarray(rows, dtype=np.float32)
    unit: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit
