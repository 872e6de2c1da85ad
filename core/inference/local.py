"""Text generation with a model on this machine.

One decoding loop serves `generate` and `stream`: prompts of similar length are padded on the left and run together,
each row has random numbers of its own, and rows that are done leave the batch. Left out on purpose: sharing of common
prompt beginnings, speculative decoding, quantised kernels; for throughput at scale, use an endpoint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import InputError
from core.inference.batch import Batch, left_padded, positions_of
from core.inference.chat_template import ChatTokenizer
from core.inference.decoding import draw, exponential_noise, random_source, token_logprobs
from core.inference.detokenize import TextStream
from core.inference.generator import GREEDY, Completion, ContinuationScore, FinishReason, Sampling
from core.models.loading import LoadedModel
from core.progress import ProgressCallback
from core.prompts.messages import Prompt

if TYPE_CHECKING:
    import torch

_BATCH_ROWS = 8
_BATCH_TOKENS = 8192


@dataclass(slots=True)
class _Request:
    """A prompt on its way: its tokens, how many may be drawn, its random numbers, and what has been drawn."""

    prompt_ids: list[int]
    limit: int
    source: torch.Generator
    stream: TextStream
    token_ids: list[int]
    logprobs: list[float]
    finish_reason: FinishReason | None = None

    def completion(self) -> Completion:
        return Completion(
            text=self.stream.text,
            finish_reason=self.finish_reason or "length",
            token_ids=tuple(self.token_ids),
            logprobs=tuple(self.logprobs),
            prompt_tokens=len(self.prompt_ids),
            completion_tokens=len(self.token_ids),
        )


class LocalGenerator:
    """A causal model as a `Generator`.

    The text of a prompt is fixed by prompt and seed. Batches are computed together, and the last bits of a result
    depend on the batch's shape; where two tokens tie to within that rounding, another batch may choose the other.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self._model = loaded.model
        self._chat = ChatTokenizer(loaded.tokenizer)
        self._end_ids = frozenset(self._chat.end_ids(loaded.model))
        self._context_tokens = getattr(loaded.model.config, "max_position_embeddings", None) or 2048

    @property
    def name(self) -> str:
        """Name of the model as it was asked for."""
        return self._loaded.name

    @property
    def context_tokens(self) -> int:
        """Prompt and completion together cannot be longer."""
        return self._context_tokens

    def count_tokens(self, text: str) -> int:
        """Tokens of a bare text."""
        return len(self._chat.continuation_ids(text))

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling = GREEDY,
        progress: ProgressCallback | None = None,
    ) -> list[Completion]:
        """One completion a prompt. Raises `InputError` for a prompt that is empty or too long."""
        requests = self._requests(prompts, sampling)
        order = sorted(range(len(requests)), key=lambda index: -len(requests[index].prompt_ids))
        done = 0
        while done < len(order):
            longest = len(requests[order[done]].prompt_ids) + sampling.max_tokens
            size = max(1, min(_BATCH_ROWS, _BATCH_TOKENS // longest))
            batch = [requests[index] for index in order[done : done + size]]
            for _ in self._decode(batch, sampling):
                pass
            done += len(batch)
            if progress:
                progress(done, len(order))
        return [request.completion() for request in requests]

    def stream(self, prompt: Prompt, sampling: Sampling = GREEDY) -> Iterator[str]:
        """Pieces of the text as they come. Raises as `generate` does."""
        requests = self._requests([prompt], sampling)
        yield from (piece for piece in self._decode(requests, sampling) if piece)

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[ContinuationScore]:
        """Log-probabilities of each continuation's tokens. Raises `InputError` for an empty one."""
        if len(prompts) != len(continuations):
            raise InputError("There are not as many continuations as prompts.", hint="Give one continuation a prompt.")
        pairs = [
            (self._prompt_ids(prompt), self._chat.continuation_ids(continuation))
            for prompt, continuation in zip(prompts, continuations, strict=True)
        ]
        if not all(ids for _, ids in pairs):
            raise InputError("A continuation to score is empty.", hint="Give at least one character.")
        scores: list[ContinuationScore | None] = [None] * len(pairs)
        order = sorted(range(len(pairs)), key=lambda index: -sum(map(len, pairs[index])))
        for start in range(0, len(order), _BATCH_ROWS):
            rows = order[start : start + _BATCH_ROWS]
            for index, logprobs in zip(rows, self._score_batch([pairs[index] for index in rows]), strict=True):
                scores[index] = ContinuationScore(tuple(pairs[index][1]), logprobs)
        return [score for score in scores if score is not None]

    def _requests(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[_Request]:
        if isinstance(prompts, str):
            raise InputError("`generate` takes a list of prompts.", hint="Write [prompt].")
        copies: Counter[str] = Counter()
        requests = []
        for prompt in prompts:
            ids = self._prompt_ids(prompt)
            key = " ".join(map(str, ids))
            limit = min(sampling.max_tokens, self._context_tokens - len(ids))
            source = random_source(sampling.seed, key, copies[key])
            copies[key] += 1
            requests.append(_Request(ids, limit, source, TextStream(self._chat.decode, sampling.stop), [], []))
        return requests

    def _prompt_ids(self, prompt: Prompt) -> list[int]:
        ids = self._chat.prompt_ids(prompt)
        if not ids:
            raise InputError("A prompt is empty.", hint="Give at least one character.")
        if len(ids) >= self._context_tokens:
            raise InputError(
                f"A prompt has {len(ids):,} tokens; '{self.name}' can read {self._context_tokens:,}.",
                hint="Shorten it, for instance with a token budget.",
            )
        return ids

    def _decode(self, requests: list[_Request], sampling: Sampling) -> Iterator[str]:
        """Draw until every request is done; yields what the first request can show in addition, step by step."""
        first, active = requests[0], list(requests)
        batch = Batch(
            self._model,
            [request.prompt_ids for request in requests],
            padding=self._chat.padding_id,
            device=self._loaded.placement.device,
        )
        while True:
            logits = batch.next_logits()
            drawn = _draw(active, logits, sampling)
            logprobs = token_logprobs(logits, drawn).tolist()
            for request, token, logprob in zip(active, drawn.tolist(), logprobs, strict=True):
                piece = self._take(request, token, logprob)
                if request is first:
                    yield piece
            keep = [row for row, request in enumerate(active) if request.finish_reason is None]
            if not keep:
                return
            batch.advance(drawn, keep)
            active = [active[row] for row in keep]

    def _take(self, request: _Request, token: int, logprob: float) -> str:
        """Add a token to a request; returns what it can show in addition."""
        request.token_ids.append(token)
        request.logprobs.append(logprob)
        if token in self._end_ids:
            request.finish_reason = "stop"
            return request.stream.finish()
        piece = request.stream.add(token)
        if request.stream.stopped:
            request.finish_reason = "stop"
        elif len(request.token_ids) == request.limit:
            piece += request.stream.finish()
            request.finish_reason = "stop" if request.stream.stopped else "length"
        return piece

    def _score_batch(self, pairs: list[tuple[list[int], list[int]]]) -> list[tuple[float, ...]]:
        import torch

        device = self._loaded.placement.device
        for prompt, continuation in pairs:
            if len(prompt) + len(continuation) > self._context_tokens:
                raise InputError(
                    f"Prompt and continuation have {len(prompt) + len(continuation):,} tokens; '{self.name}' "
                    f"can read {self._context_tokens:,}.",
                    hint="Shorten them.",
                )
        tokens, mask = left_padded([prompt + continuation for prompt, continuation in pairs], self._chat.padding_id)
        longest = max(len(continuation) for _, continuation in pairs)
        with torch.inference_mode():
            logits = self._model(
                input_ids=tokens.to(device),
                attention_mask=mask.to(device),
                position_ids=positions_of(mask).to(device),
                logits_to_keep=longest + 1,
            ).logits[:, -longest - 1 : -1]  # (B, longest, V): position i says token i + 1
            logprobs = token_logprobs(logits, tokens[:, -longest:].to(device)).cpu()  # (B, longest)
        return [
            tuple(row[longest - len(continuation) :].tolist())
            for row, (_, continuation) in zip(logprobs, pairs, strict=True)
        ]


def _draw(active: list[_Request], logits: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """One token a request, ``(B,)``, from logits ``(B, V)``."""
    drawing = sampling.temperature > 0
    noise = exponential_noise([request.source for request in active], logits.shape[-1]) if drawing else logits
    return draw(logits, noise, temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p)
