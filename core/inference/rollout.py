"""Completions as token ids with their log-probabilities, for a training loop: the rollouts of reinforcement learning.

The engine is the one that answers users, so what is drawn here is what the model would write; nothing passes through
text. Sampler and trained model are one object: the log-probabilities that come back are those of the policy that drew,
and need not be computed again (as PPO's old log-probabilities, Schulman et al. 2017, equation 6).
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.errors import InputError
from core.inference.chat_template import ChatTokenizer
from core.inference.engine import batches, run_requests
from core.inference.forward import ForwardChoice
from core.inference.generator import FinishReason, Sampling
from core.inference.request import Request, make_request
from core.models.hardware import BYTES_PER_NUMBER
from core.models.loading import LoadedModel
from core.seeds import derived_seed


@dataclass(frozen=True, slots=True)
class SampledTokens:
    """A completion that was drawn.

    Attributes:
        token_ids: every token drawn, the end token included.
        logprobs: of each, natural logarithm, under softmax(logits / `logprob_temperature`) over the whole vocabulary.
        finish_reason: "stop" (an end token or a stop string), or "length" (cut at `max_tokens` or the context's end).
    """

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: FinishReason


class TokenSampler:
    """Draws from a model that is being trained; make one and keep it, since the way it runs is checked on first use.

    The model may change between calls (its weights, its adapters switched on or off), and may be wrapped by peft: give
    `dataclasses.replace(loaded, model=wrapped)`. During a call it is in evaluation mode, so that dropout and gradient
    checkpointing are off; afterwards each of its modules is in the mode it was in before.

    Args:
        end_ids: tokens that end a completion; default: those of the tokenizer and the model.
    """

    def __init__(self, loaded: LoadedModel, *, end_ids: frozenset[int] | None = None) -> None:
        chat = ChatTokenizer(loaded.tokenizer, loaded.model.config.model_type)
        placement = loaded.placement
        self._model = loaded.model
        self._decode = chat.decode
        self._end_ids = frozenset(chat.end_ids(loaded.model)) if end_ids is None else end_ids
        self._config: Any = loaded.model.config.get_text_config(decoder=True)
        self._context_tokens = getattr(self._config, "max_position_embeddings", None) or 2048
        self._number_bytes = BYTES_PER_NUMBER[placement.dtype]
        self._forwards = ForwardChoice(loaded.model, placement.device, placement.dtype, chat.padding_id, loaded.name)

    def sample(
        self,
        prompt_ids: Sequence[Sequence[int]],
        sampling: Sampling,
        n: int | None = None,
        *,
        step: int = 0,
        logprob_temperature: float = 1.0,
        first_copies: Sequence[int] | None = None,
    ) -> list[list[SampledTokens]]:
        """`n` completions (default `sampling.n`) of each prompt, in the order of the prompts.

        What is drawn is fixed by seed, step, the tokens of the prompt, and which of that prompt's samples it is (those
        of a prompt that is listed twice are counted on), and not by what else is in the call.

        Args:
            step: of the training loop; each step draws other numbers.
            logprob_temperature: log-probabilities are those of softmax(logits / this). With top-k, top-p and min-p off
                and no repetition penalty, that is the distribution drawn from when it equals `sampling.temperature`.
            first_copies: of each prompt, how many samples of the same prompt come before in the whole step, where
                several processes draw one step's samples; default: counted over this call.

        Raises:
            InputError: for an empty or overlong prompt, beams, a constraint, or values out of their range.
        """
        samples = sampling.n if n is None else n
        self._check(prompt_ids, sampling, samples, step, logprob_temperature)
        sampling = replace(sampling, n=1, seed=derived_seed(sampling.seed, step))
        requests: list[Request] = []
        firsts = _counted(prompt_ids, samples) if first_copies is None else first_copies
        for ids, first in zip(map(tuple, prompt_ids), firsts, strict=True):
            copies = range(first, first + samples)
            requests += [self._request(ids, copy, sampling, logprob_temperature) for copy in copies]
        with evaluation_mode(self._model):
            for batch in batches(requests, self._config, self._number_bytes):
                longest = max(len(request.prompt_ids) + request.limit for request in batch)
                for _ in run_requests(self._forwards.for_length(longest), batch, self._end_ids):
                    pass
        drawn = [
            SampledTokens(tuple(request.token_ids), tuple(request.logprobs), request.finish_reason or "length")
            for request in requests
        ]
        return [drawn[start : start + samples] for start in range(0, len(drawn), samples)]

    def _request(self, ids: tuple[int, ...], copy: int, sampling: Sampling, logprob_temperature: float) -> Request:
        request = make_request(
            list(ids),
            copy,
            sampling,
            context_tokens=self._context_tokens,
            decode=self._decode if sampling.stop else _no_text,
        )
        request.logprob_temperature = logprob_temperature
        return request

    def _check(
        self, prompt_ids: Sequence[Sequence[int]], sampling: Sampling, samples: int, step: int, temperature: float
    ) -> None:
        if samples < 1 or step < 0 or temperature <= 0:
            raise InputError(
                f"n = {samples}, step = {step}, logprob_temperature = {temperature} cannot be used together.",
                hint="Use n of at least 1, a step of at least 0 and a temperature above 0.",
            )
        if sampling.beams > 1 or sampling.constraint is not None:
            raise InputError(
                "Rollouts are drawn from the model itself: no beams and no constraint.",
                hint="Use a `Generator` for those.",
            )
        for number, ids in enumerate(prompt_ids):
            if not 0 < len(ids) < self._context_tokens:
                raise InputError(
                    f"Prompt {number} has {len(ids):,} tokens; 1 to {self._context_tokens - 1:,} can be used.",
                    hint="Leave out empty prompts and shorten long ones.",
                )


def sample_tokens(
    loaded: LoadedModel,
    prompt_ids: Sequence[Sequence[int]],
    sampling: Sampling,
    n: int | None = None,
    *,
    step: int = 0,
    logprob_temperature: float = 1.0,
) -> list[list[SampledTokens]]:
    """As `TokenSampler.sample`, once; a loop keeps a `TokenSampler` instead."""
    return TokenSampler(loaded).sample(prompt_ids, sampling, n, step=step, logprob_temperature=logprob_temperature)


@contextlib.contextmanager
def evaluation_mode(model: Any) -> Iterator[None]:
    """Every module of `model` in evaluation mode; those that were in training mode go back to it."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _counted(prompt_ids: Sequence[Sequence[int]], samples: int) -> list[int]:
    """Of each prompt, the number of its first sample: those of a prompt listed before are counted on."""
    seen: Counter[tuple[int, ...]] = Counter()
    firsts = []
    for ids in map(tuple, prompt_ids):
        firsts.append(seen[ids] * samples)
        seen[ids] += 1
    return firsts


def _no_text(_: list[int]) -> str:
    return ""
