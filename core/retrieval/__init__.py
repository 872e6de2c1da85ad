"""Retrieval: files into documents, documents into passages, passages found by words and by meaning."""

from core.retrieval.chunking import Chunking, chunk
from core.retrieval.dense import Embedder
from core.retrieval.fusion import Fusion
from core.retrieval.index import Changes, HybridIndex
from core.retrieval.loading import load_bytes, load_documents
from core.retrieval.passages import Hit, Passage
from core.retrieval.reranking import Reranker

__all__ = [
    "Changes",
    "Chunking",
    "Embedder",
    "Fusion",
    "Hit",
    "HybridIndex",
    "Passage",
    "Reranker",
    "chunk",
    "load_bytes",
    "load_documents",
]
