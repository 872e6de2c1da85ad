"""Models: what there is, where it comes from, how it is loaded."""

from core.models.adapter_config import lora_config
from core.models.adapter_set import AdapterSet
from core.models.adapter_store import adapter_names, promote_adapter, remove_adapter
from core.models.adapters import Adapter, AdapterCard, Measurement, read_adapter, save_adapter
from core.models.catalogue import CatalogueEntry, EmbeddingRules, catalogue_entries, find_entry
from core.models.embedder import Embedder
from core.models.hardware import Placement, choose_placement
from core.models.loading import (
    LoadedModel,
    load_causal,
    load_embedder,
    load_encoder,
    load_masked_lm,
    load_reranker,
    load_seq2seq,
    load_spacy,
)
from core.models.locate import is_available
from core.models.pull import pull_model
from core.models.reranker import Reranker

__all__ = [
    "Adapter",
    "AdapterCard",
    "AdapterSet",
    "CatalogueEntry",
    "Embedder",
    "EmbeddingRules",
    "LoadedModel",
    "Measurement",
    "Placement",
    "Reranker",
    "adapter_names",
    "catalogue_entries",
    "choose_placement",
    "find_entry",
    "is_available",
    "load_causal",
    "load_embedder",
    "load_encoder",
    "load_masked_lm",
    "load_reranker",
    "load_seq2seq",
    "load_spacy",
    "lora_config",
    "promote_adapter",
    "pull_model",
    "read_adapter",
    "remove_adapter",
    "save_adapter",
]
