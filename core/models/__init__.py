"""Models: what there is, where it comes from, how it is loaded."""

from core.models.catalogue import CatalogueEntry, EmbeddingRules, catalogue_entries, find_entry
from core.models.embedder import Embedder
from core.models.hardware import Placement, choose_placement
from core.models.loading import (
    LoadedModel,
    load_causal,
    load_embedder,
    load_encoder,
    load_reranker,
    load_seq2seq,
    load_spacy,
)
from core.models.locate import is_available
from core.models.pull import pull_model
from core.models.reranker import Reranker

__all__ = [
    "CatalogueEntry",
    "Embedder",
    "EmbeddingRules",
    "LoadedModel",
    "Placement",
    "Reranker",
    "catalogue_entries",
    "choose_placement",
    "find_entry",
    "is_available",
    "load_causal",
    "load_embedder",
    "load_encoder",
    "load_reranker",
    "load_seq2seq",
    "load_spacy",
    "pull_model",
]
