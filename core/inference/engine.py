"""The decoding loop: one for batches, samples and streams.

Requests of similar length run together; those with the same prompt are rows of one prompt; who is done leaves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from core.inference.constraint import only_allowed
from core.inference.decoding import draw, exponential_noise, repetition_penalised, token_logprobs
from core.inference.forward import Forward
from core.inference.generator import Sampling
from core.inference.request import Request

if TYPE_CHECKING:
    import torch

_BATCH_ROWS = 256
_CACHE_BYTES = 2**31
"""Keys and values of a batch at most, unless a single request needs more."""


def run_requests(forward: Forward, requests: Sequence[Request], end_ids: frozenset[int]) -> Iterator[str]:
    """Write every request to its end; yields what the first can show in addition, step by step."""
    active, prompts, copies = by_prompt(requests)
    rows = forward.start(prompts, copies)
    while True:
        tokens, pieces = take_step(active, rows.logits, end_ids)
        if requests[0] in active:
            yield pieces[active.index(requests[0])]
        keep = closed_up([request.finish_reason is None for request in active])
        if not keep:
            return
        rows.advance([tokens[row] for row in keep], keep)
        active = [active[row] for row in keep]


def by_prompt(requests: Sequence[Request]) -> tuple[list[Request], list[list[int]], list[int]]:
    """Requests with equal prompts side by side, the distinct prompts in that order, and how many requests each has."""
    ordered = sorted(requests, key=lambda request: request.context_ids)
    prompts: list[list[int]] = []
    copies: list[int] = []
    for request in ordered:
        if not prompts or prompts[-1] != request.context_ids:
            prompts.append(request.context_ids)
            copies.append(0)
        copies[-1] += 1
    return ordered, prompts, copies


def take_step(
    requests: Sequence[Request], logits: torch.Tensor, end_ids: frozenset[int]
) -> tuple[list[int], list[str]]:
    """Draw a token for each request from logits ``(B, V)``: the tokens, and what each can show in addition."""
    import torch

    drawn = draw_tokens(requests, logits)
    logprobs = token_logprobs(_tempered(requests, logits), drawn)
    # One transfer a step: an accelerator is waited for once. float32 holds every token id below 2^24.
    numbers = torch.stack([drawn.float(), logprobs]).tolist()
    tokens, values = [int(token) for token in numbers[0]], numbers[1]
    pieces = [
        request.take(token, logprob, end_ids) for request, token, logprob in zip(requests, tokens, values, strict=True)
    ]
    return tokens, pieces


def _tempered(requests: Sequence[Request], logits: torch.Tensor) -> torch.Tensor:
    """Logits ``(B, V)``, each row over its request's `logprob_temperature`."""
    temperatures = [request.logprob_temperature for request in requests]
    if all(temperature == 1 for temperature in temperatures):
        return logits
    return logits / logits.new_tensor(temperatures).unsqueeze(-1)


def draw_tokens(requests: Sequence[Request], logits: torch.Tensor) -> torch.Tensor:
    """One token a request, ``(B,)``, from logits ``(B, V)``."""
    by_sampling: dict[Sampling, list[int]] = defaultdict(list)
    for row, request in enumerate(requests):
        by_sampling[request.sampling].append(row)
    if len(by_sampling) == 1:
        return _draw_alike(requests, logits)
    drawn = logits.argmax(dim=-1)
    for rows in by_sampling.values():
        drawn[rows] = _draw_alike([requests[row] for row in rows], logits[rows])
    return drawn


def _draw_alike(requests: Sequence[Request], logits: torch.Tensor) -> torch.Tensor:
    """For requests that all have the same sampling."""
    import torch

    sampling = requests[0].sampling
    vocabulary = logits.shape[-1]
    if sampling.repetition_penalty != 1:
        seen = torch.stack([request.seen_tokens(vocabulary, logits.device) for request in requests])
        logits = repetition_penalised(logits, seen, sampling.repetition_penalty)
    if sampling.constraint is not None:
        logits = only_allowed(logits, [request.matcher for request in requests if request.matcher is not None])
    noise = logits
    if sampling.temperature > 0:
        sources = [request.random_numbers(vocabulary, logits.device) for request in requests]
        noise = exponential_noise(sources, vocabulary, logits.device)
    return draw(
        logits,
        noise,
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        min_p=sampling.min_p,
    )


def batches(
    requests: Sequence[Request],
    model_config: Any,
    bytes_per_number: int,
    *,
    rows_each: int = 1,
    prompts_shared: bool = True,
) -> Iterator[list[Request]]:
    """Requests to run together: of similar length, equal prompts side by side, within rows and memory.

    Args:
        rows_each: rows that a request becomes.
        prompts_shared: whether rows of one prompt hold its keys and values once, and not each its own.
    """
    most_tokens = cache_tokens(model_config, bytes_per_number)
    batch: list[Request] = []
    used = 0
    for request in sorted(requests, key=lambda request: (-len(request.prompt_ids), request.prompt_ids)):
        own = rows_each * (request.limit + (0 if prompts_shared else len(request.prompt_ids)))
        new_prompt = not batch or batch[-1].prompt_ids != request.prompt_ids
        needed = own + (len(request.prompt_ids) if new_prompt else 0)
        if batch and ((len(batch) + 1) * rows_each > _BATCH_ROWS or used + needed > most_tokens):
            yield batch
            batch, used, needed = [], 0, own + len(request.prompt_ids)
        batch.append(request)
        used += needed
    if batch:
        yield batch


def cache_tokens(config: Any, bytes_per_number: int) -> int:
    """How many tokens' keys and values a batch may hold."""
    return _CACHE_BYTES // _token_bytes(config, bytes_per_number)


def _token_bytes(config: Any, bytes_per_number: int) -> int:
    """Keys and values of one token in all layers; for a model without any (Mamba) its hidden state while it is read."""
    attention_heads = getattr(config, "num_attention_heads", None)
    if not attention_heads:
        return int(config.hidden_size * bytes_per_number)
    heads = getattr(config, "num_key_value_heads", None) or attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // attention_heads
    return int(2 * config.num_hidden_layers * heads * width * bytes_per_number)


def closed_up(live: Sequence[bool]) -> list[int]:
    """Rows that go on, in an order that moves few: those from the end fill the gaps."""
    count = sum(live)
    rows = list(range(count))
    movers = (row for row in range(count, len(live)) if live[row])
    for place in range(count):
        if not live[place]:
            rows[place] = next(movers)
    return rows
