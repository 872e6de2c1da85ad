"""Rows that run through a causal model together: left padding, positions, key-value cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Batch:
    """The state of a batch between two steps. Rows leave by `advance`; none joins."""

    def __init__(self, model: Any, rows: Sequence[list[int]], *, padding: int, device: str) -> None:
        tokens, mask = left_padded(rows, padding)
        self._model = model
        self._device = device
        self._tokens, self._mask = tokens.to(device), mask.to(device)  # (B, T): what goes in next; all there is
        self._positions = positions_of(self._mask)
        self._cache: Any = None

    def next_logits(self) -> torch.Tensor:
        """``(B, V)`` float32 on the CPU: what each row says about its next token."""
        import torch

        with torch.inference_mode():
            output = self._model(
                input_ids=self._tokens,
                attention_mask=self._mask,
                position_ids=self._positions,
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            )
        self._cache = output.past_key_values
        logits: torch.Tensor = output.logits[:, -1].float().cpu()
        return logits

    def advance(self, tokens: torch.Tensor, keep: list[int]) -> None:
        """Append one of `tokens` ``(B,)`` to each row and go on with the rows `keep`, at least one."""
        import torch

        if len(keep) < len(tokens):
            rows = torch.tensor(keep, device=self._device)
            self._cache.batch_select_indices(rows)
            self._mask, self._positions, tokens = self._mask[rows], self._positions[rows], tokens[keep]
        self._tokens = tokens.unsqueeze(-1).to(self._device)  # (B, 1)
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(keep), 1)], dim=1)
        self._positions = self._positions[:, -1:] + 1


def left_padded(rows: Sequence[list[int]], padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, both ``(B, T)``, so that all rows end together."""
    import torch

    length = max(len(row) for row in rows)
    tokens = torch.tensor([[padding] * (length - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows])
    return tokens, mask


def positions_of(mask: torch.Tensor) -> torch.Tensor:
    """Positions ``(B, T)`` that count from 0 at each row's first real token."""
    return (mask.cumsum(dim=-1) - 1).clamp(min=0)
