"""Advantages: how much better a token or response was than expected.

Pure functions. ``(B, T)`` has a row a response and a column a token, ``(P, G)`` a row a prompt and a column a response.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.training.masked import last_index

if TYPE_CHECKING:
    import torch


def token_rewards(
    scores: torch.Tensor,
    logprobs: torch.Tensor,
    reference_logprobs: torch.Tensor,
    mask: torch.Tensor,
    *,
    kl_coefficient: float,
) -> torch.Tensor:
    """A reward a token: minus the KL penalty everywhere, plus the score at the last token (Ziegler et al. 2019, eq. 2).

    Args:
        scores: ``(B,)`` of the whole responses.
        mask: ``(B, T)``; an empty row gets no reward.
    """
    import torch

    rewards = -kl_coefficient * (logprobs - reference_logprobs) * mask
    last = last_index(mask)
    rows = torch.nonzero(last >= 0).squeeze(1)
    rewards[rows, last[rows]] += scores[rows].to(rewards.dtype)
    return rewards


def generalised_advantages(
    rewards: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, *, discount: float = 1.0, trace: float = 0.95
) -> tuple[torch.Tensor, torch.Tensor]:
    """GAE (Schulman et al. 2016, eq. 16) and the returns to fit the value head to; the response's end is worth 0.

    One product with a triangular matrix of powers of ``discount * trace`` in place of a loop over tokens.

    Args:
        rewards, values: ``(B, T)``; `values` before each token. Tokens of a row stand together from column 0.
        discount, trace: γ and λ.

    Returns:
        ``(B, T)`` advantages and returns, 0 where `mask` is false.
    """
    import torch

    length = rewards.shape[1]
    values = values * mask
    following = torch.cat([values[:, 1:], values.new_zeros(len(values), 1)], dim=1)
    surprise = (rewards + discount * following - values) * mask  # δ
    steps = torch.arange(length, device=rewards.device)
    distance = steps[:, None] - steps[None, :]  # (from, to): how much later `from` is
    decay = torch.where(distance >= 0, (discount * trace) ** distance.clamp(min=0).to(rewards.dtype), 0.0)
    advantages = (surprise @ decay) * mask
    return advantages, (advantages + values) * mask


def group_relative(scores: torch.Tensor, *, scale: bool = True) -> torch.Tensor:
    """GRPO's advantages (Shao et al. 2024, section 4.1.2): a score over its group's mean, in units of its deviation.

    Args:
        scores: ``(P, G)``, at least two responses a prompt.
        scale: False leaves out the division, which favours prompts that are nearly always or never solved (Liu et al.
            2025, "Dr. GRPO", section 3).

    Returns:
        ``(P, G)``; 0 throughout a group whose scores are all the same.
    """
    _check_group(scores)
    centred = scores - scores.mean(dim=1, keepdim=True)
    if not scale:
        return centred
    return centred / (scores.std(dim=1, keepdim=True) + 1e-4)


def step_relative(credits: torch.Tensor, counts: torch.Tensor, *, trace: float, scale: bool = True) -> torch.Tensor:
    """`group_relative` step by step: what came from a step on, over what came from there on in the group's mean.

    A token cannot have caused what was won before it, so leaving that out changes no expected gradient (Sutton et al.
    1999, the policy gradient theorem) and takes its noise away. Later steps count `trace` as much each (λ of Schulman
    et al. 2016): below 1 that is biased where one step decides over another, and less noisy. With one step a response
    this is `group_relative`.

    Args:
        credits: ``(P, G, K)`` what each step added to its response's score, 0 beyond the last.
        counts: ``(P, G)`` steps of each response, at least 1.
        scale: whether to divide by the group's deviation, over all its steps.

    Returns:
        ``(P, G, K)``.
    """
    import torch

    _check_group(counts)
    steps = torch.arange(credits.shape[2], device=credits.device)
    distance = steps[:, None] - steps[None, :]  # (from, to): how much later `from` is
    decay = torch.where(distance >= 0, trace ** distance.clamp(min=0).to(credits.dtype), 0.0)
    to_go = credits @ decay
    centred = to_go - to_go.mean(dim=1, keepdim=True)
    if not scale:
        return centred
    freedom = (counts.shape[1] - 1) * counts.amax(dim=1)
    deviation = (centred.square().sum(dim=(1, 2)) / freedom).sqrt()
    return centred / (deviation[:, None, None] + 1e-4)


def leave_one_out(scores: torch.Tensor) -> torch.Tensor:
    """RLOO's advantages: a score over the mean of the other responses' to its prompt (Kool et al. 2019; Ahmadian et al.
    2024)."""
    _check_group(scores)
    group = scores.shape[1]
    others = (scores.sum(dim=1, keepdim=True) - scores) / (group - 1)
    return scores - others


def self_critical(scores: torch.Tensor, greedy_scores: torch.Tensor) -> torch.Tensor:
    """A score over that of the greedy response to the same prompt (Rennie et al. 2017, section 3).

    Args:
        scores: ``(P, G)``.
        greedy_scores: ``(P,)``.
    """
    return scores - greedy_scores[:, None]


def _check_group(scores: torch.Tensor) -> None:
    if scores.dim() != 2 or scores.shape[1] < 2:
        raise ValueError(f"scores are (prompts, responses ≥ 2), not {tuple(scores.shape)}")
