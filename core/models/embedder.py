"""Sentences to vectors: prefixes, length-sorted batches, pooling, unit length, and a cache on disk."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError, ModelNotAvailable
from core.files import read_json
from core.models.catalogue import EmbeddingRules
from core.models.embedding_cache import EmbeddingCache
from core.models.family import usable_positions
from core.models.hardware import Placement
from core.progress import ProgressCallback

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    Vectors = npt.NDArray[np.float32]

_BATCH_ROWS = 64
_BATCH_TOKENS = 8192


@dataclass(frozen=True, slots=True, eq=False)
class Embedder:
    """A sentence encoder. Vectors are float32 rows of length one; the same text gives the same row from its cache.

    Several threads may share one: they take turns, since the tokenizer and the cache are not made for two at once.

    Attributes:
        name: as it was asked for.
        dimension: columns of the result.
    """

    name: str
    dimension: int
    rules: EmbeddingRules
    placement: Placement
    model: Any
    tokenizer: Any
    cache: EmbeddingCache | None = None
    turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def encode_queries(self, texts: Sequence[str], progress: ProgressCallback | None = None) -> Vectors:
        """`(n, dimension)` vectors of texts that ask."""
        with self.turn:
            return self._encode([self.rules.query_prefix + text for text in texts], progress)

    def encode_passages(self, texts: Sequence[str], progress: ProgressCallback | None = None) -> Vectors:
        """`(n, dimension)` vectors of texts that may answer."""
        with self.turn:
            return self._encode([self.rules.passage_prefix + text for text in texts], progress)

    def _encode(self, texts: list[str], progress: ProgressCallback | None) -> Vectors:
        import numpy as np

        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        unique = list(dict.fromkeys(texts))
        known = self.cache.get(unique) if self.cache else {}
        missing = [text for text in unique if text not in known]
        computed = self._compute(missing, progress)
        if self.cache and missing:
            self.cache.put(missing, computed)
        rows = {**known, **dict(zip(missing, computed, strict=True))}
        for row, text in enumerate(texts):
            vectors[row] = rows[text]
        return vectors

    def _compute(self, texts: list[str], progress: ProgressCallback | None) -> Vectors:
        """Longest first: the largest batch comes first, so a shortage of memory shows at once, not at the end."""
        import numpy as np

        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        ids = self.tokenizer(texts, truncation=True, max_length=self.rules.max_tokens)["input_ids"] if texts else []
        order = sorted(range(len(texts)), key=lambda row: (-len(ids[row]), row))
        done = 0
        while done < len(order):
            longest = len(ids[order[done]])
            rows = order[done : done + max(1, min(_BATCH_ROWS, _BATCH_TOKENS // longest))]
            vectors[rows] = self._forward([ids[row] for row in rows])
            done += len(rows)
            if progress:
                progress(done, len(order))
        return vectors

    def _forward(self, batch: list[list[int]]) -> Vectors:
        import torch

        length = max(len(ids) for ids in batch)
        padding = self.tokenizer.pad_token_id or 0
        tokens = torch.tensor([ids + [padding] * (length - len(ids)) for ids in batch])  # (B, T)
        mask = torch.tensor([[1] * len(ids) + [0] * (length - len(ids)) for ids in batch])  # (B, T)
        device = self.placement.device
        with torch.inference_mode():
            states = self.model(input_ids=tokens.to(device), attention_mask=mask.to(device)).last_hidden_state
            pooled = pool(states.float(), mask.to(device), self.rules.pooling)
            unit = torch.nn.functional.normalize(pooled, dim=1)  # (B, d)
        result: Vectors = unit.cpu().numpy()
        return result


def pool(states: torch.Tensor, mask: torch.Tensor, how: str) -> torch.Tensor:
    """One vector a row from token states `(B, T, d)` and mask `(B, T)`: the mean over real tokens, or the first."""
    if how == "cls":
        return states[:, 0]
    weights = mask.unsqueeze(-1).to(states.dtype)  # (B, T, 1)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def read_embedding_rules(folder: Path) -> EmbeddingRules:
    """Rules of a folder laid out by sentence-transformers; mean pooling without prefixes where it says nothing.

    Raises:
        ModelNotAvailable: the folder asks for a pooling or a further layer that is not supported.
    """
    pooling = _read_json(folder / "1_Pooling" / "config.json")
    length = _read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    config = _read_json(folder / "config.json")
    limit = usable_positions(
        config.get("model_type", ""), config.get("max_position_embeddings", 512), config.get("pad_token_id", 1) or 0
    )
    prompts = _read_json(folder / "config_sentence_transformers.json").get("prompts") or {}
    modes = [key for key, used in pooling.items() if key.startswith("pooling_mode_") and used is True]
    dense = any("Dense" in module.get("type", "") for module in _read_json(folder / "modules.json") or [])
    if dense or modes not in ([], ["pooling_mode_mean_tokens"], ["pooling_mode_cls_token"]):
        raise ModelNotAvailable(
            f"'{folder.name}' needs {'a dense layer' if dense else ', '.join(modes)} after the encoder.",
            hint="Choose an encoder with mean or cls pooling alone.",
        )
    return EmbeddingRules(
        query_prefix=prompts.get("query", ""),
        passage_prefix=prompts.get("passage", prompts.get("document", "")),
        pooling="cls" if modes == ["pooling_mode_cls_token"] else "mean",
        max_tokens=min(length or limit, limit),
    )


def _read_json(path: Path) -> Any:
    """Raises `ModelNotAvailable`."""
    try:
        return read_json(path) if path.is_file() else {}
    except InputError as error:
        raise ModelNotAvailable(f"'{path.parent}' cannot be used: {error.message}", hint=error.hint) from error
