"""Vectors of texts from a frozen trunk, kept on disk: what a linear probe learns from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.config import settings
from core.inference.rollout import evaluation_mode
from core.models.embedding_cache import EmbeddingCache
from core.models.loading import LoadedModel
from core.training.data.batches import pad_batch
from core.training.supervised.causal import hidden_states
from core.training.supervised.classification import Reading, read_states

Vectors = npt.NDArray[np.float32]
_ROWS = 32


def frozen_features(
    loaded: LoadedModel, texts: Sequence[str], *, reading: Reading, max_tokens: int, cache: EmbeddingCache | None = None
) -> Vectors:
    """``(n, d)`` vectors of texts from any trunk: the mean of its states, the first, or the last (for decoders).

    A sentence encoder's own vectors come from its `Embedder`.

    Args:
        cache: see `feature_cache`.
    """
    import torch

    known = cache.get(texts) if cache else {}
    missing = [text for text in dict.fromkeys(texts) if text not in known]
    encoded = loaded.tokenizer(missing, truncation=True, max_length=max_tokens)["input_ids"] if missing else []
    rows = [np.array(ids, dtype=np.int32) for ids in encoded]
    order = np.argsort([len(row) for row in rows], kind="stable")
    found = np.zeros((len(rows), loaded.model.config.get_text_config(decoder=True).hidden_size), dtype=np.float32)
    for start in range(0, len(rows), _ROWS):
        chosen = order[start : start + _ROWS]
        batch = pad_batch(rows, np.zeros(len(rows), dtype=np.int64), chosen, loaded.tokenizer.pad_token_id or 0)
        batch = {name: tensor.to(loaded.placement.device) for name, tensor in batch.items()}
        with torch.no_grad(), evaluation_mode(loaded.model):
            states = hidden_states(loaded.model, batch)
        found[chosen] = read_states(states, batch["attention_mask"], reading).float().cpu().numpy()
    if cache and missing:
        cache.put(missing, found)
    known = {**known, **dict(zip(missing, found, strict=True))}
    return np.stack([known[text] for text in texts]) if texts else found


def feature_cache(loaded: LoadedModel, *, reading: Reading, max_tokens: int) -> EmbeddingCache:
    """Where features of this trunk, read in this way, are kept."""
    name = f"{loaded.fingerprint[:24]}-{loaded.placement.dtype}-{reading}-{max_tokens}"
    return EmbeddingCache(settings().cache_dir / "features" / name)
