"""The plain way to run a causal model: rows padded on the left, transformers' own cache and attention.

For models the fast way is not made for (recurrent layers, sliding windows that fill up), and its reference. The cache
may hold keys and values, states of recurrent layers (Mamba), or both; what it holds is transformers' business.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.inference.decoding import token_logprobs

if TYPE_CHECKING:
    import torch


class PlainForward:
    """See `core.inference.forward.Forward`.

    Args:
        turn: held while the model runs; the fast way puts its own attention into the model while it does.
    """

    def __init__(self, model: Any, *, padding: int, device: str, turn: threading.Lock | None = None) -> None:
        self._turn = turn or threading.Lock()
        self._model = model
        self._padding = padding
        self._device = device

    def start(self, prompts: Sequence[list[int]], copies: Sequence[int]) -> PlainContinuation:
        """Rows for prompts, `copies[i]` rows for prompt i."""
        rows = [prompt for prompt, count in zip(prompts, copies, strict=True) for _ in range(count)]
        return PlainContinuation(self._model, rows, padding=self._padding, device=self._device, turn=self._turn)

    def score(self, pairs: Sequence[tuple[list[int], list[int]]]) -> list[list[float]]:
        """Log-probability of each token of the second of a pair, after the first."""
        import torch

        tokens, mask = _left_padded([[*prompt, *continuation] for prompt, continuation in pairs], self._padding)
        longest = max(len(continuation) for _, continuation in pairs)
        with self._turn, torch.inference_mode():
            logits = self._model(
                input_ids=tokens.to(self._device),
                attention_mask=mask.to(self._device),
                position_ids=_positions_of(mask).to(self._device),
                logits_to_keep=longest + 1,
            ).logits[:, -longest - 1 : -1]  # (B, longest, V): place i says token i + 1
            logprobs = token_logprobs(logits, tokens[:, -longest:].to(self._device)).cpu()  # (B, longest)
        return [
            row[longest - len(continuation) :].tolist() for row, (_, continuation) in zip(logprobs, pairs, strict=True)
        ]


class PlainContinuation:
    """See `core.inference.forward.Continuation`."""

    def __init__(
        self, model: Any, rows: Sequence[list[int]], *, padding: int, device: str, turn: threading.Lock
    ) -> None:
        self._turn = turn
        tokens, mask = _left_padded(rows, padding)
        self._model = model
        self._device = device
        self._mask = mask.to(device)  # (B, T)
        self._cache_name = cache_name(model)
        self._cache: Any = None
        self._run(tokens.to(device), _positions_of(self._mask))

    def advance(self, tokens: Sequence[int], rows: Sequence[int]) -> None:
        """Go on with `rows`, in this order, the i-th of them with `tokens[i]` appended."""
        import torch

        if list(rows) != list(range(len(self._mask))):
            index = torch.tensor(list(rows), device=self._device)
            with torch.inference_mode():
                self._cache.reorder_cache(index)  # takes any rows, and knows layers without keys and values too
            self._mask = self._mask[index]
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(rows), 1)], dim=1)
        new = torch.tensor(tokens, device=self._device).unsqueeze(-1)  # (B, 1)
        self._run(new, _positions_of(self._mask)[:, -1:])

    def _run(self, tokens: torch.Tensor, positions: torch.Tensor) -> None:
        import torch

        # Recurrent models take a mask for the prompt alone: their state has passed the padding over by then.
        needs_mask = self._cache is None or self._cache_name == "past_key_values"
        with self._turn, torch.inference_mode():
            output = self._model(
                input_ids=tokens,
                attention_mask=self._mask if needs_mask else None,
                position_ids=positions,
                use_cache=True,
                logits_to_keep=1,
                **{self._cache_name: self._cache},
            )
        self._cache = output[self._cache_name]
        self.logits: torch.Tensor = output.logits[:, -1].float()  # (B, V)


def cache_name(model: Any) -> str:
    """What the model calls its cache: recurrent families have a name of their own for it."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model  # peft hides the names
    names = inspect.signature(inner.forward).parameters
    return "cache_params" if "cache_params" in names else "past_key_values"


def _left_padded(rows: Sequence[list[int]], padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, both ``(B, T)``, so that all rows end together."""
    import torch

    length = max(len(row) for row in rows)
    tokens = torch.tensor([[padding] * (length - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows])
    return tokens, mask


def _positions_of(mask: torch.Tensor) -> torch.Tensor:
    """Positions ``(B, T)`` that count from 0 at each row's first real token."""
    return (mask.cumsum(dim=-1) - 1).clamp(min=0)
