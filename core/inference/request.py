"""A completion on its way: its prompt, its random numbers, what has been drawn, and when it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.inference.constraint import Matcher
from core.inference.decoding import random_source
from core.inference.detokenize import TextStream
from core.inference.generator import Completion, FinishReason, Sampling

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(slots=True, eq=False)
class Request:
    """One completion of one prompt; `limit` tokens at most.

    `logprobs` are those of softmax(logits / `logprob_temperature`), whatever temperature is drawn at.
    """

    prompt_ids: list[int]
    sampling: Sampling
    limit: int
    source: np.random.Generator
    stream: TextStream
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    seen: torch.Tensor | None = None
    matcher: Matcher | None = None
    logprob_temperature: float = 1.0

    def take(self, token: int, logprob: float, end_ids: frozenset[int]) -> str:
        """Add a token; returns what can be shown in addition."""
        self.token_ids.append(token)
        self.logprobs.append(logprob)
        if self.seen is not None:
            self.seen[token] = True
        if token in end_ids:
            self.finish_reason = "stop"
            return self.stream.finish()
        if self.matcher is not None:
            self.matcher.take(token)
        piece = self.stream.add(token)
        if self.stream.stopped:
            self.finish_reason = "stop"
        elif self.matcher is not None and self.matcher.finished:
            piece += self.stream.finish()
            self.finish_reason = "stop"
        elif len(self.token_ids) == self.limit:
            piece += self.stream.finish()
            self.finish_reason = "stop" if self.stream.stopped else "length"
        return piece

    def seen_tokens(self, vocabulary: int, device: torch.device) -> torch.Tensor:
        """``(V,)`` boolean: tokens of the prompt and of the text so far."""
        import torch

        if self.seen is None:
            self.seen = torch.zeros(vocabulary, dtype=torch.bool, device=device)
            self.seen[torch.tensor(self.prompt_ids + self.token_ids, device=device)] = True
        return self.seen

    def completion(self) -> Completion:
        """What has been written so far."""
        return Completion(
            text=self.stream.text,
            finish_reason=self.finish_reason or "length",
            token_ids=tuple(self.token_ids),
            logprobs=tuple(self.logprobs),
            prompt_tokens=len(self.prompt_ids),
            completion_tokens=len(self.token_ids),
        )


def make_request(
    prompt_ids: list[int],
    copy: int,
    sampling: Sampling,
    *,
    context_tokens: int,
    decode: Callable[[list[int]], str],
    matcher: Matcher | None = None,
) -> Request:
    """The `copy`-th completion of a prompt; prompt, copy and seed fix its random numbers."""
    source = random_source(sampling.seed, " ".join(map(str, prompt_ids)), copy)
    limit = min(sampling.max_tokens, context_tokens - len(prompt_ids))
    return Request(prompt_ids, sampling, limit, source, TextStream(decode, sampling.stop), matcher=matcher)
