"""The index as LangChain knows one."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document as LangChainDocument
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from core.retrieval.index import HybridIndex
from core.retrieval.passages import Hit


class HybridRetriever(BaseRetriever):
    """Retrieves by `HybridIndex.search`. `k` may be given per call: `retriever.invoke(query, k=3)`."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    index: HybridIndex
    k: int = 5
    language: str | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **options: Any
    ) -> list[LangChainDocument]:
        k = int(options.get("k", self.k))
        language = options.get("language", self.language)
        return [to_langchain(hit) for hit in self.index.search(query, k, language=language)]


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
        },
    )
