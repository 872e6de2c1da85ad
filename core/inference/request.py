"""A completion on its way: its prompt, its random numbers, what has been drawn, and when it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.errors import InputError, InternalError
from core.inference.constraint import Matcher
from core.inference.decoding import device_source, exponential_noise, random_source
from core.inference.detokenize import TextStream
from core.inference.generator import Completion, FinishReason, Sampling

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(slots=True, eq=False)
class Request:
    """One completion of one prompt; `limit` tokens at most.

    `logprobs` are those of softmax(logits / `logprob_temperature`), whatever temperature is drawn at. `draws_behind`
    says how many of its tokens have been drawn elsewhere (`go_on_after`).
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
    draws_behind: int = 0
    on_device: torch.Generator | None = None

    @property
    def context_ids(self) -> list[int]:
        """Everything that the next token follows."""
        return self.prompt_ids + self.token_ids

    def random_numbers(self, vocabulary: int, device: torch.device) -> np.random.Generator | torch.Generator:
        """Where the next token's ``(V,)`` random numbers come from; those of tokens not drawn here are passed over."""
        if device.type != "cpu" and not self.on_device:
            self.on_device = device_source(self.source, device)
        source = self.on_device or self.source
        while self.draws_behind:
            exponential_noise([source], vocabulary, device)
            self.draws_behind -= 1
        return source

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


def go_on_after(request: Request, token_ids: Sequence[int], end_ids: frozenset[int], vocabulary: int) -> None:
    """Bring a new request to where it was after these tokens. Their log-probabilities are not known, and are NaN.

    Raises:
        InputError: for numbers that are no tokens, tokens after the end of such a text, or that its constraint forbids.
    """
    hint = "Use the prompt, the sampling and the tokens of one and the same stream."
    for token in token_ids:
        if not 0 <= token < vocabulary:
            raise InputError(f"{token} is not a token: the vocabulary has {vocabulary:,}.", hint=hint)
        if request.finish_reason is not None:
            done, given = len(request.token_ids), len(token_ids)
            raise InputError(f"The text has ended after {done} of the {given} tokens to go on after.", hint=hint)
        try:
            request.take(token, float("nan"), end_ids)
        except InternalError as error:  # from the matcher
            raise InputError(f"Token {token} cannot stand where it stands in such a text.", hint=hint) from error
    request.draws_behind = len(token_ids)
