"""Means and whitening over the tokens that count.

Everything here is a pure function of tensors of one shape, usually ``(B, T)``: rows are samples, columns response
tokens, and `mask` is true where the policy chose the token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import InputError

if TYPE_CHECKING:
    import torch


class EmptyBatchError(InputError):
    """There is no token to learn from: every response of a batch is empty."""

    def __init__(self) -> None:
        super().__init__(
            "There is no token to learn from: every response is empty.",
            hint="Check the data and the length limits; a prompt may fill the whole context.",
        )


def masked_mean(values: torch.Tensor, mask: torch.Tensor, count: float | None = None) -> torch.Tensor:
    """Mean of `values` where `mask` is true.

    Args:
        count: what to divide by; where a batch is computed in pieces, the count of the whole, so that the pieces add up
            to what the whole would have given. Default: how many places of `mask` are true.

    Raises:
        EmptyBatchError: nothing counts.
    """
    total = float(mask.sum()) if count is None else count
    if total == 0:
        raise EmptyBatchError
    return (values * mask).sum() / total


def masked_variance(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Variance with Bessel's correction of `values` where `mask` is true; 0 for a single value."""
    mean = masked_mean(values, mask)
    count = float(mask.sum())
    return masked_mean((values - mean) ** 2, mask) * (count / max(count - 1.0, 1.0))


def whiten(values: torch.Tensor, mask: torch.Tensor, *, keep_mean: bool = False) -> torch.Tensor:
    """`values` with mean 0 (unless `keep_mean`) and variance 1 where `mask` is true, 0 elsewhere."""
    mean = masked_mean(values, mask)
    scaled = (values - mean) * (masked_variance(values, mask) + 1e-8).rsqrt()
    return (scaled + mean if keep_mean else scaled) * mask


def last_index(mask: torch.Tensor) -> torch.Tensor:
    """``(B,)``: the column of each row's last true place of `mask` ``(B, T)``; -1 for an empty row."""
    import torch

    columns = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    return (mask.long() * columns).amax(dim=1) - 1
