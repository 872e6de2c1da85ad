"""Text generation with a model on this machine.

Each distinct prompt is read once, whatever the number of its completions, and so is what prompts have in common at
their beginning; rows have random numbers of their own, and rows that are done leave. Left out on purpose: speculative
decoding and quantised kernels; for throughput at scale, use an endpoint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from core.errors import InputError
from core.inference.beam import Hypothesis, beam_search
from core.inference.chat_template import ChatTokenizer
from core.inference.constraint import Grammars
from core.inference.engine import batches, cache_tokens, run_requests
from core.inference.forward import Forward, ForwardChoice
from core.inference.generator import GREEDY, Completion, ContinuationScore, Sampling
from core.inference.request import Request, make_request
from core.models.adapter_set import AdapterSet
from core.models.hardware import BYTES_PER_NUMBER
from core.models.loading import LoadedModel
from core.progress import ProgressCallback
from core.prompts.messages import Prompt

_SCORE_ROWS = 128
_SCORE_TOKENS = 16384


class LocalGenerator:
    """A causal model as a `Generator`.

    The text of a prompt is fixed by prompt, seed and which of its completions it is. Batches are computed together, and
    the last bits of a result depend on the batch's shape; where two tokens tie to within that rounding, another batch
    may choose the other.

    Args:
        adapters: the model's adapters, if it has any. Generators of one set share the model: each forward pass runs
            under the adapter of its generator, whatever else goes on.
        adapter: which of them to write with; None for the bare model.
    """

    def __init__(self, loaded: LoadedModel, *, adapters: AdapterSet | None = None, adapter: str | None = None) -> None:
        self._loaded = loaded
        self._adapter = adapter
        self._model = loaded.model
        self._chat = self._tokenizer_of(loaded)
        self.end_ids = frozenset(self._chat.end_ids(loaded.model))
        self._context_tokens = getattr(loaded.model.config, "max_position_embeddings", None) or 2048
        self.vocabulary: int = loaded.model.config.get_text_config(decoder=True).vocab_size
        self._grammars = Grammars(loaded.tokenizer, self.vocabulary, self.end_ids)
        placement = loaded.placement
        self._forwards = ForwardChoice(
            loaded.model,
            placement.device,
            placement.dtype,
            self._chat.padding_id,
            self.name,
            turn=adapters.holding(adapter) if adapters else None,
        )

    def _tokenizer_of(self, loaded: LoadedModel) -> ChatTokenizer:
        return ChatTokenizer(loaded.tokenizer, loaded.model.config.model_type)

    @property
    def name(self) -> str:
        """Name of the model as it was asked for, its adapter and its quantisation: `model+adapter (int8)`."""
        adapter = f"+{self._adapter}" if self._adapter else ""
        fewer = f" ({self._loaded.quantised.kind})" if self._loaded.quantised else ""
        return f"{self._loaded.name}{adapter}{fewer}"

    @property
    def context_tokens(self) -> int:
        """Prompt and completion together cannot be longer."""
        return self._context_tokens

    @property
    def cache_tokens(self) -> int:
        """Tokens whose keys and values are held at a time, of all rows together."""
        config = self._model.config.get_text_config(decoder=True)
        return cache_tokens(config, BYTES_PER_NUMBER[self._loaded.placement.dtype])

    def count_tokens(self, text: str) -> int:
        """Tokens of a bare text."""
        return len(self._chat.continuation_ids(text))

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling = GREEDY,
        progress: ProgressCallback | None = None,
    ) -> list[Completion]:
        """`sampling.n` completions a prompt. Raises `InputError` for a prompt that is empty or too long."""
        if sampling.beams > 1:
            return self._beam_search(prompts, sampling, progress)
        requests = self.requests(prompts, sampling)
        done = 0
        for batch in self._batches(requests):
            for _ in run_requests(self.forward_for(batch), batch, self.end_ids):
                pass
            done += len(batch)
            if progress:
                progress(done, len(requests))
        return [request.completion() for request in requests]

    def stream(self, prompt: Prompt, sampling: Sampling = GREEDY) -> Iterator[str]:
        """Pieces of the first completion's text as they come. Raises as `generate` does."""
        if sampling.beams > 1:  # what the best text begins with is known at the end
            yield self.generate([prompt], sampling)[0].text
            return
        requests = self.requests([prompt], sampling)[:1]
        pieces = run_requests(self.forward_for(requests), requests, self.end_ids)
        yield from (piece for piece in pieces if piece)

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[ContinuationScore]:
        """Log-probabilities of each continuation's tokens. Raises `InputError` for an empty one."""
        if len(prompts) != len(continuations):
            raise InputError("There are not as many continuations as prompts.", hint="Give one continuation a prompt.")
        pairs = [
            (self._prompt_ids(prompt), self._chat.continuation_ids(continuation))
            for prompt, continuation in zip(prompts, continuations, strict=True)
        ]
        for pair in pairs:
            self._check_pair(*pair)
        scores: dict[int, ContinuationScore] = {}
        for batch in _score_batches(pairs):
            chosen = [pairs[index] for index in batch]
            longest = max(len(prompt) + len(after) for prompt, after in chosen)
            for index, logprobs in zip(batch, self._forward(longest).score(chosen), strict=True):
                offsets = self._chat.offsets(continuations[index])
                scores[index] = ContinuationScore(tuple(pairs[index][1]), tuple(logprobs), tuple(offsets))
        return [scores[index] for index in range(len(pairs))]

    def _beam_search(
        self, prompts: Sequence[Prompt], sampling: Sampling, progress: ProgressCallback | None
    ) -> list[Completion]:
        requests = self.requests(prompts, replace(sampling, n=1))
        distinct = list({tuple(request.prompt_ids): request for request in requests}.values())
        found: dict[tuple[int, ...], list[Hypothesis]] = {}
        for batch in self._batches(distinct, rows_each=sampling.beams):
            hypotheses = beam_search(
                self.forward_for(batch),
                [request.prompt_ids for request in batch],
                sampling,
                limits=[request.limit for request in batch],
                end_ids=self.end_ids,
                decode=self._chat.decode,
            )
            for request, best in zip(batch, hypotheses, strict=True):
                found[tuple(request.prompt_ids)] = best
            if progress:
                progress(len(found), len(distinct))
        return [
            self._replayed(request, hypothesis)
            for request in requests
            for hypothesis in found[tuple(request.prompt_ids)][: sampling.n]
        ]

    def _replayed(self, request: Request, hypothesis: Hypothesis) -> Completion:
        """The completion that drawing these tokens would have given."""
        replay = self._request(request.prompt_ids, 0, request.sampling)
        for token, logprob in zip(hypothesis.token_ids, hypothesis.logprobs, strict=True):
            replay.take(token, logprob, self.end_ids)
        return replay.completion()

    def forward_for(self, requests: Sequence[Request]) -> Forward:
        """The way these requests go together."""
        return self._forward(max(len(request.prompt_ids) + request.limit for request in requests))

    def _forward(self, tokens: int) -> Forward:
        return self._forwards.for_length(tokens)

    def _batches(self, requests: Sequence[Request], rows_each: int = 1) -> Iterator[list[Request]]:
        config = self._model.config.get_text_config(decoder=True)
        return batches(requests, config, BYTES_PER_NUMBER[self._loaded.placement.dtype], rows_each=rows_each)

    def requests(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Request]:
        """What `generate` runs: `sampling.n` requests a prompt. Raises as it does."""
        if isinstance(prompts, str):
            raise InputError("`generate` takes a list of prompts.", hint="Write [prompt].")
        copies: Counter[tuple[int, ...]] = Counter()
        requests = []
        for prompt in prompts:
            ids = self._prompt_ids(prompt)
            for _ in range(sampling.n):
                copy = copies[tuple(ids)]
                copies[tuple(ids)] += 1
                requests.append(self._request(ids, copy, sampling))
        return requests

    def _request(self, prompt_ids: list[int], copy: int, sampling: Sampling) -> Request:
        return make_request(
            prompt_ids,
            copy,
            sampling,
            context_tokens=self._context_tokens,
            decode=self._chat.decode,
            matcher=self._grammars.matcher(sampling.constraint) if sampling.constraint else None,
        )

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

    def _check_pair(self, prompt: list[int], continuation: list[int]) -> None:
        if not continuation:
            raise InputError("A continuation to score is empty.", hint="Give at least one character.")
        tokens = len(prompt) + len(continuation)
        if tokens > self._context_tokens:
            raise InputError(
                f"Prompt and continuation have {tokens:,} tokens; '{self.name}' can read {self._context_tokens:,}.",
                hint="Shorten them.",
            )


def _score_batches(pairs: Sequence[tuple[list[int], list[int]]]) -> Iterator[list[int]]:
    """Numbers of pairs to score together: equal prompts side by side, then of similar length."""
    order = sorted(range(len(pairs)), key=lambda index: (-len(pairs[index][0]), pairs[index][0], -len(pairs[index][1])))
    batch: list[int] = []
    for index in order:
        longest = sum(map(len, pairs[batch[0]])) if batch else 0
        if len(batch) == _SCORE_ROWS or (len(batch) + 1) * longest > _SCORE_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
