"""Drawing tokens: pure functions of logits and random numbers. Rows are requests, columns the vocabulary."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import numpy as np
    import torch

_LEAST_NOISE = 2**-23
"""Float32 noise has 23 random bits: so often it is 0, which stands for everything up to this. As a smaller number, it
would let the token win against any other, one token in 50 with a vocabulary of 150,000."""


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
    noisy = scores - noise.log()
    if min_p > 0:  # of the likeliest token's probability (Nguyen et al. 2024, section 3)
        noisy = noisy.masked_fill(scores < scores.amax(dim=-1, keepdim=True) + math.log(min_p), -math.inf)
    if top_p == 1:
        return noisy.argmax(dim=-1)
    if logits.device.type == "cpu":
        return _first_in_nucleus(scores, noisy, top_p)
    return _likeliest_in_nucleus(scores, noisy, top_p)


def _first_in_nucleus(scores: torch.Tensor, noisy: torch.Tensor, top_p: float) -> torch.Tensor:
    """The token with the highest `noisy` among the likeliest that together reach `top_p` (Holtzman et al. 2020).

    The nucleus is never written down, which would take a sort: a token is in it if those likelier than it fall short of
    `top_p`. A token that is not takes all that are no likelier with it, and the next one is looked at.
    """
    import torch

    probabilities = scores.softmax(dim=-1)
    drawn = noisy.argmax(dim=-1)
    open_rows = torch.arange(len(drawn), device=drawn.device)
    while len(open_rows):
        score = scores.gather(-1, drawn[open_rows].unsqueeze(-1))
        likelier = (probabilities * (scores > score)).sum(dim=-1)
        outside = likelier >= top_p
        open_rows, scores, probabilities = open_rows[outside], scores[outside], probabilities[outside]
        noisy = noisy[outside].masked_fill(scores <= score[outside], -math.inf)
        drawn[open_rows] = noisy.argmax(dim=-1)
    return drawn


def _likeliest_in_nucleus(scores: torch.Tensor, noisy: torch.Tensor, top_p: float) -> torch.Tensor:
    """As `_first_in_nucleus`, by a sort: quick on an accelerator, and nothing waits for a number to come back."""
    ordered = scores.sort(dim=-1, descending=True).values
    probabilities = ordered.softmax(dim=-1)
    inside = probabilities.cumsum(dim=-1) - probabilities < top_p  # what is likelier falls short of top_p
    least = ordered.masked_fill(~inside, math.inf).amin(dim=-1, keepdim=True)
    return noisy.masked_fill(scores < least, -math.inf).argmax(dim=-1)


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


def device_source(source: np.random.Generator, device: torch.device) -> torch.Generator:
    """Random numbers on an accelerator, fixed by a source nothing was drawn from yet; others than it would draw."""
    import torch

    return torch.Generator(device).manual_seed(int(source.integers(2**63)))


def exponential_noise(
    sources: Sequence[np.random.Generator | torch.Generator], vocabulary: int, device: torch.device
) -> torch.Tensor:
    """The next ``(B, V)`` standard-exponential numbers on `device`, a row from each source; above 0.

    Sources are NumPy's on a CPU, where they are 5 times faster, and torch's of the device elsewhere, so that no noise
    travels: B x V numbers a step are as many as the logits.
    """
    import numpy as np
    import torch

    if sources and isinstance(sources[0], torch.Generator):
        noise = torch.empty((len(sources), vocabulary), dtype=torch.float32, device=device)
        for row, source in zip(noise, sources, strict=True):
            row.exponential_(generator=cast("torch.Generator", source))
        return noise.clamp_(min=_LEAST_NOISE)
    rows = np.empty((len(sources), vocabulary), dtype=np.float32)
    for numbers, source in zip(rows, sources, strict=True):
        cast("np.random.Generator", source).standard_exponential(dtype=np.float32, out=numbers)
    return torch.from_numpy(rows).clamp_(min=_LEAST_NOISE).to(device)
