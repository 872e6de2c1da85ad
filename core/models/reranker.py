"""A cross-encoder: reads query and passage together and says in one number how well the passage answers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.models.family import usable_positions
from core.models.hardware import Placement

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_BATCH_ROWS = 64
_BATCH_TOKENS = 8192
_NO_LIMIT = 10**6
"""What tokenizers say when nothing was said to them is far above this."""


@dataclass(frozen=True, slots=True, eq=False)
class Reranker:
    """A sequence-classification model with one output. Several threads may share one: they take turns.

    Attributes:
        name: as it was asked for.
        max_tokens: longest query, passage and marks together; the passage's end is cut off, never the query's.
    """

    name: str
    max_tokens: int
    placement: Placement
    model: Any
    tokenizer: Any
    turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def score(self, query: str, passages: Sequence[str]) -> npt.NDArray[np.float32]:
        """``(n,)`` scores, the model's raw output: higher is better, any real number, comparable for one query alone.

        Raises:
            InputError: the query is blank, or so long that nothing of a passage could be read.
        """
        import numpy as np

        scores = np.zeros(len(passages), dtype=np.float32)
        with self.turn:
            self._check_query(query)
            encoded = self._encode(query, list(passages)) if passages else []
            order = sorted(range(len(encoded)), key=lambda row: (-len(encoded[row]["input_ids"]), row))
            done = 0
            while done < len(order):  # longest first: a shortage of memory shows at once
                longest = len(encoded[order[done]]["input_ids"])
                rows = order[done : done + max(1, min(_BATCH_ROWS, _BATCH_TOKENS // longest))]
                scores[rows] = self._forward([encoded[row] for row in rows])
                done += len(rows)
        return scores

    def _check_query(self, query: str) -> None:
        if not query.strip():
            raise InputError("The query is empty.", hint="Ask for something.")
        pair = self.tokenizer([query], [""], truncation=False, verbose=False)  # with the marks of a pair
        tokens = len(pair["input_ids"][0])
        if tokens >= self.max_tokens:
            raise InputError(
                f"The query has {tokens:,} tokens; '{self.name}' reads {self.max_tokens:,} with the passage.",
                hint="Ask in fewer words.",
            )

    def _encode(self, query: str, passages: list[str]) -> list[dict[str, list[int]]]:
        """Ids (and types, where the model has them) of each pair."""
        encoded = self.tokenizer(
            [query] * len(passages), passages, truncation="only_second", max_length=self.max_tokens
        )
        names = [name for name in ("input_ids", "token_type_ids") if name in encoded]
        return [{name: encoded[name][row] for name in names} for row in range(len(passages))]

    def _forward(self, batch: list[dict[str, list[int]]]) -> npt.NDArray[np.float32]:
        import torch

        lengths = [len(pair["input_ids"]) for pair in batch]
        padding = {"input_ids": self.tokenizer.pad_token_id, "token_type_ids": 0}
        inputs = {
            name: torch.tensor(
                [pair[name] + [padding[name]] * (max(lengths) - len(pair[name])) for pair in batch],
                device=self.placement.device,
            )
            for name in batch[0]
        }  # each (B, T)
        mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]  # (B, T)
        with torch.inference_mode():
            logits = self.model(**inputs, attention_mask=mask.long().to(self.placement.device)).logits  # (B, 1)
        result: npt.NDArray[np.float32] = logits[:, 0].float().cpu().numpy()
        return result


def why_not_a_reranker(model: Any, tokenizer: Any) -> str:
    """Why a sequence-classification model cannot be used as a reranker; empty if it can.

    Decoders are left out: each expects its own prompt around query and passage, and scores without it mean little.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    if model.config.num_labels != 1:
        return f"it gives {model.config.num_labels} scores a text"
    if model.config.model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return f"models of type '{model.config.model_type}' do not read both ways, or expect a prompt of their own"
    return "" if tokenizer.pad_token_id is not None else "its tokenizer has no padding token"


def longest_pair(model: Any, tokenizer: Any) -> int:
    """Tokens that `model` can read: its positions, or its tokenizer's limit where that is lower; 512 by default."""
    config = model.config
    positions = usable_positions(
        config.model_type, getattr(config, "max_position_embeddings", None) or 512, config.pad_token_id or 0
    )
    limit = tokenizer.model_max_length
    return int(min(positions, limit if limit < _NO_LIMIT else positions))
