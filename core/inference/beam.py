"""Beam search: the likeliest texts that keeping the `beams` best beginnings at each step finds.

The rules are those of transformers (version 5, `early_stopping=False`), so that both find the same texts: twice as many
candidates as beams, more with several end tokens; a text ends only where it is among the `beams` best candidates; its
score is its log-probability over its length to the power of the length penalty (Wu et al. 2016, section 7, has a like
rule); the search ends when the best beginning could not beat the worst of `beams` finished texts at its present length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.inference.forward import Forward
from core.inference.generator import Sampling

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A text or its beginning. `score` is its log-probability, over a power of its length once it is finished."""

    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    score: float = 0.0


@dataclass(slots=True)
class _Search:
    """The search for one prompt."""

    beams: int
    length_penalty: float
    limit: int
    ends: Callable[[tuple[int, ...]], bool]
    candidates: int
    running: list[Hypothesis] = field(default_factory=lambda: [Hypothesis()])
    finished: list[Hypothesis] = field(default_factory=list)

    def step(self, logprobs: torch.Tensor) -> list[tuple[int, int]]:
        """Rows to go on with and their tokens, from the log-probabilities ``(beams, V)``; none when it is over."""
        import torch

        before = torch.tensor([beam.score for beam in self.running], device=logprobs.device)
        totals = (logprobs + before[:, None]).flatten()
        best = totals.topk(min(self.candidates, totals.numel()))
        going_on: list[tuple[int, int]] = []
        beginnings: list[Hypothesis] = []
        for rank, (total, place) in enumerate(zip(best.values.tolist(), best.indices.tolist(), strict=True)):
            row, token = divmod(place, logprobs.shape[1])
            beam = self.running[row]
            tokens = (*beam.token_ids, token)
            grown = Hypothesis(tokens, (*beam.logprobs, float(logprobs[row, token])), total)
            if len(tokens) == self.limit or self.ends(tokens):
                if rank < self.beams:
                    self._finish(grown)
            elif len(going_on) < self.beams:
                going_on.append((row, token))
                beginnings.append(grown)
        self.running = beginnings
        return going_on if beginnings and self._may_improve() else []

    def _finish(self, grown: Hypothesis) -> None:
        score = grown.score / len(grown.token_ids) ** self.length_penalty
        self.finished.append(Hypothesis(grown.token_ids, grown.logprobs, score))
        self.finished.sort(key=lambda hypothesis: -hypothesis.score)
        del self.finished[self.beams :]

    def _may_improve(self) -> bool:
        if len(self.finished) < self.beams:
            return True
        best = self.running[0]
        present: float = best.score / len(best.token_ids) ** self.length_penalty
        return present > self.finished[-1].score


def beam_search(
    forward: Forward,
    prompts: Sequence[list[int]],
    sampling: Sampling,
    *,
    limits: Sequence[int],
    end_ids: frozenset[int],
    decode: Callable[[list[int]], str],
) -> list[list[Hypothesis]]:
    """The `sampling.beams` best texts of each prompt found, best first; `limits[i]` tokens at most."""
    import torch

    def ends(tokens: tuple[int, ...]) -> bool:
        if tokens[-1] in end_ids:
            return True
        return bool(sampling.stop) and any(stop in decode(list(tokens)) for stop in sampling.stop)

    searches = [
        _Search(sampling.beams, sampling.length_penalty, limit, ends, max(2, 1 + len(end_ids)) * sampling.beams)
        for limit in limits
    ]
    rows = forward.start(prompts, [1] * len(prompts))
    active = list(searches)
    while True:
        logprobs = torch.log_softmax(rows.logits, dim=-1)
        keep: list[int] = []
        tokens: list[int] = []
        still: list[_Search] = []
        first = 0
        for search in active:
            count = len(search.running)
            going_on = search.step(logprobs[first : first + count])
            keep += [first + row for row, _ in going_on]
            tokens += [token for _, token in going_on]
            first += count
            if going_on:
                still.append(search)
        if not still:
            return [search.finished for search in searches]
        active = still
        rows.advance(tokens, keep)
