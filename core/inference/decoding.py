"""Drawing tokens: pure functions of logits and random numbers. Rows are requests, columns the vocabulary."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def draw(logits: torch.Tensor, noise: torch.Tensor, *, temperature: float, top_k: int, top_p: float) -> torch.Tensor:
    """One token a row: the likeliest at temperature 0, else by the Gumbel-max trick (Kool et al. 2019, section 2).

    With the noise fixed, a draw changes only where two noisy scores nearly tie, so rounding that differs between
    batches seldom changes a text; inverting the cumulative distribution would feel the sum of all small errors.

    Args:
        logits: ``(B, V)`` float32.
        noise: ``(B, V)`` from the standard exponential distribution; not looked at for temperature 0.

    Returns:
        ``(B,)`` token ids.
    """
    if temperature == 0:
        return logits.argmax(dim=-1)
    scores = logits / temperature
    if top_k and top_k < scores.shape[-1]:
        kth = scores.topk(top_k, dim=-1).values[:, -1:]
        scores = scores.masked_fill(scores < kth, -math.inf)
    if top_p < 1:
        scores = _nucleus(scores, top_p)
    return (scores - noise.log()).argmax(dim=-1)


def _nucleus(scores: torch.Tensor, top_p: float) -> torch.Tensor:
    """Scores of the likeliest tokens that together reach `top_p` (Holtzman et al. 2020, section 3.1), else -inf."""
    import torch

    ranked, ids = scores.sort(dim=-1, descending=True)
    probabilities = ranked.softmax(dim=-1, dtype=torch.float64)
    before = probabilities.cumsum(dim=-1) - probabilities  # what was gathered before each token; 0 for the first
    return scores.masked_fill((before >= top_p).gather(-1, ids.argsort(dim=-1)), -math.inf)


def token_logprobs(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Log-probability of `tokens` ``(...,)`` under `logits` ``(..., V)``, in float32."""
    logits = logits.float()
    chosen = logits.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    return chosen - logits.logsumexp(dim=-1)


def random_source(seed: int, prompt: str, copy: int) -> torch.Generator:
    """Random numbers that depend on the seed, the prompt and which copy of the prompt this is.

    Nothing else enters, so a request draws the same numbers alone and in any batch, and copies of a prompt differ.
    """
    import torch

    key = f"{seed}\0{copy}\0{prompt}".encode("utf-8", errors="surrogatepass")
    number = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") >> 1
    return torch.Generator().manual_seed(number)


def exponential_noise(sources: Sequence[torch.Generator], vocabulary: int) -> torch.Tensor:
    """The next ``(B, V)`` standard-exponential numbers, a row from each source."""
    import torch

    rows = [torch.empty(vocabulary).exponential_(generator=source) for source in sources]
    return torch.stack(rows).clamp(min=torch.finfo(torch.float32).tiny)
