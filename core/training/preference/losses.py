"""Losses on log-probabilities of whole responses, under the policy and its reference.

Pure functions. Arguments are ``(B,)`` sums over a response's tokens; "log ratio" is log policy - log reference. Each
returns a loss a row, ``(B,)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def dpo_loss(
    chosen_ratio: torch.Tensor, rejected_ratio: torch.Tensor, *, beta: float = 0.1, doubt: float = 0.0
) -> torch.Tensor:
    """Direct preference optimisation (Rafailov et al. 2023, eq. 7).

    Args:
        chosen_ratio, rejected_ratio: log ratios of the two responses.
        beta: how strongly the policy is held to the reference.
        doubt: the probability that a pair is the wrong way round (conservative DPO, Mitchell 2023).
    """
    from torch.nn.functional import logsigmoid

    margin = beta * (chosen_ratio - rejected_ratio)
    return -(1 - doubt) * logsigmoid(margin) - doubt * logsigmoid(-margin)


def ipo_loss(chosen_ratio: torch.Tensor, rejected_ratio: torch.Tensor, *, beta: float = 0.1) -> torch.Tensor:
    """Identity preference optimisation (Azar et al. 2024, eq. 17): the margin is drawn to 1 / (2 beta), not beyond."""
    return (chosen_ratio - rejected_ratio - 1 / (2 * beta)) ** 2


def kto_loss(
    ratio: torch.Tensor,
    desirable: torch.Tensor,
    reference_point: torch.Tensor,
    *,
    beta: float = 0.1,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> torch.Tensor:
    """Kahneman–Tversky optimisation (Ethayarajh et al. 2024, section 4.1): each response is good or bad by itself.

    Args:
        ratio: log ratios.
        desirable: ``(B,)`` boolean.
        reference_point: scalar, an estimate of the policy's KL to the reference, see `kto_reference_point`; constant.
    """
    import torch

    gain = torch.sigmoid(beta * (ratio - reference_point))
    lost = torch.sigmoid(beta * (reference_point - ratio))
    return torch.where(desirable, desirable_weight * (1 - gain), undesirable_weight * (1 - lost))


def kto_reference_point(mismatched_ratio: torch.Tensor) -> torch.Tensor:
    """The mean log ratio of responses to other prompts than their own, 0 at least; no gradient (section 4.1)."""
    return mismatched_ratio.detach().mean().clamp(min=0)
