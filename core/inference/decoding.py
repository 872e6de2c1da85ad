"""Drawing tokens: pure functions of logits and random numbers. Rows are requests, columns the vocabulary."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


_SORTED_FIRST = 256


def draw(
    logits: torch.Tensor, noise: torch.Tensor, *, temperature: float, top_k: int, top_p: float, min_p: float = 0.0
) -> torch.Tensor:
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
    if min_p > 0:  # of the likeliest token's probability (Nguyen et al. 2024, section 3)
        scores = scores.masked_fill(scores < scores.amax(dim=-1, keepdim=True) + math.log(min_p), -math.inf)
    return (scores - noise.log()).argmax(dim=-1)


def _nucleus(scores: torch.Tensor, top_p: float) -> torch.Tensor:
    """Scores of the likeliest tokens that together reach `top_p` (Holtzman et al. 2020, section 3.1), else -inf.

    Only the likeliest are sorted; all of them where those do not reach `top_p`. Tokens as likely as the last stay too.
    """
    norm = scores.logsumexp(dim=-1, keepdim=True)
    for count in (_SORTED_FIRST, scores.shape[-1]):
        ranked = scores.topk(min(count, scores.shape[-1]), dim=-1).values
        probabilities = (ranked - norm).double().exp()
        reached = probabilities.cumsum(dim=-1)
        if (reached[:, -1] >= top_p).all():
            break
    kept = (reached - probabilities < top_p).sum(dim=-1, keepdim=True)  # those gathered before fall short of top_p
    return scores.masked_fill(scores < ranked.gather(-1, kept - 1), -math.inf)


def repetition_penalised(logits: torch.Tensor, seen: torch.Tensor, penalty: float) -> torch.Tensor:
    """Logits ``(B, V)`` with tokens in `seen` ``(B, V)`` made less likely (Keskar et al. 2019, section 4.1)."""
    import torch

    penalised = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(seen, penalised, logits)


def token_logprobs(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Log-probability of `tokens` ``(...,)`` under `logits` ``(..., V)``, in float32."""
    logits = logits.float()
    chosen = logits.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    return chosen - logits.logsumexp(dim=-1)


def random_source(seed: int, prompt: str, copy: int) -> np.random.Generator:
    """Random numbers that depend on the seed, the prompt and which copy of the prompt this is.

    Nothing else enters, so a request draws the same numbers alone and in any batch, and copies of a prompt differ.
    """
    import numpy as np

    key = f"{seed}\0{copy}\0{prompt}".encode("utf-8", errors="surrogatepass")
    return np.random.Generator(np.random.SFC64(int.from_bytes(hashlib.blake2b(key, digest_size=16).digest(), "little")))


def exponential_noise(sources: Sequence[np.random.Generator], vocabulary: int) -> torch.Tensor:
    """The next ``(B, V)`` standard-exponential numbers, a row from each source; above 0. (NumPy is 5 times faster.)"""
    import numpy as np
    import torch

    rows = np.empty((len(sources), vocabulary), dtype=np.float32)
    for row, source in zip(rows, sources, strict=True):
        source.standard_exponential(dtype=np.float32, out=row)
    return torch.from_numpy(rows).clamp_(min=torch.finfo(torch.float32).tiny)
