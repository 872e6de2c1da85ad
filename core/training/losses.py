"""Policy-gradient losses on sampled responses.

Pure functions of tensors: no model, no optimiser, no logging. Rows are samples, columns response tokens; `mask` is true
where the policy chose the token, `count` is the number of tokens of the whole batch where it is computed in pieces
(see `core.training.masked.masked_mean`). Notation and derivations: docs/training.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.training.masked import masked_mean

if TYPE_CHECKING:
    import torch


def clipped_policy_loss(
    logprobs: torch.Tensor,
    old_logprobs: torch.Tensor,
    advantages: torch.Tensor,
    mask: torch.Tensor,
    *,
    clip: float = 0.2,
    clip_high: float | None = None,
    count: float | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """PPO's clipped surrogate (Schulman et al. 2017, eq. 7), mean over the chosen tokens.

    Args:
        logprobs, old_logprobs: ``(B, T)`` log-probabilities of the chosen tokens, now and when they were drawn.
        advantages: ``(B, T)``, or ``(B, 1)`` for one a response.
        mask: ``(B, T)``. A row may be empty; all empty raises `EmptyBatchError`.
        clip: the ratio's bound below 1, and above it unless `clip_high` is given (Yu et al. 2025, section 3.1).

    Returns:
        The loss, and the share of tokens whose gradient the bound cut off.
    """
    import torch

    ratio = (logprobs - old_logprobs).exp()  # (B, T)
    bounded = ratio.clamp(1 - clip, 1 + (clip if clip_high is None else clip_high))
    surrogate = torch.minimum(ratio * advantages, bounded * advantages)
    cut = bounded * advantages < ratio * advantages
    return -masked_mean(surrogate, mask, count), masked_mean(cut.float(), mask, count).detach()


def score_function_loss(
    logprobs: torch.Tensor, advantages: torch.Tensor, mask: torch.Tensor, *, count: float | None = None
) -> torch.Tensor:
    """The loss whose gradient is REINFORCE's (Williams 1992): minus the mean of log-probability × advantage.

    `advantages` ``(B, T)`` or ``(B, 1)`` are constants here. The value means nothing; its gradient does.
    """
    return -masked_mean(logprobs * advantages.detach(), mask, count)


def clipped_value_loss(
    values: torch.Tensor,
    old_values: torch.Tensor,
    returns: torch.Tensor,
    mask: torch.Tensor,
    *,
    clip: float | None = 0.2,
    count: float | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Half the squared error of the value head, the worse of the free and the clipped estimate (PPO's reference code).

    Args:
        values, old_values: ``(B, T)`` estimates before each token, now and when the responses were drawn.
        returns: ``(B, T)`` what came of it.
        clip: estimates farther than this from the old ones get no gradient towards there; None to leave them free.

    Returns:
        The loss, and the share of tokens where the bound was active.
    """
    import torch

    squared = (values - returns) ** 2
    if clip is None:
        return 0.5 * masked_mean(squared, mask, count), torch.zeros((), device=values.device)
    bounded = old_values + (values - old_values).clamp(-clip, clip)
    bounded_squared = (bounded - returns) ** 2
    worse = torch.maximum(squared, bounded_squared)
    active = (bounded_squared > squared).float()
    return 0.5 * masked_mean(worse, mask, count), masked_mean(active, mask, count).detach()


def kl_estimate(logprobs: torch.Tensor, reference_logprobs: torch.Tensor, kind: str = "k3") -> torch.Tensor:
    """Per-token estimates of KL(policy ‖ reference) from tokens the policy drew (Schulman 2020, "Approximating KL").

    "k1" is the log ratio: unbiased, may be negative. "k2" is half its square: biased, its gradient is that of the KL
    itself. "k3" is r - 1 - log r with r = reference / policy: unbiased and never negative.
    """
    log_ratio = logprobs - reference_logprobs
    if kind == "k1":
        return log_ratio
    if kind == "k2":
        return 0.5 * log_ratio**2
    if kind == "k3":
        return (-log_ratio).exp() - 1 + log_ratio
    raise ValueError(f"kind is 'k1', 'k2' or 'k3', not {kind!r}")
