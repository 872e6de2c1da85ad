"""Beam search: the likeliest texts that keeping the `beams` best beginnings at each step finds.

The rules are those of transformers (version 5, `early_stopping=False`), so that both find the same texts: twice as many
candidates as beams, more with several end tokens; a text ends only where it is among the `beams` best candidates; its
score is its log-probability over its length to the power of the length penalty (Wu et al. 2016, section 7, has a like
rule); the search ends when the best beginning could not beat the worst of `beams` finished texts at its present length.

Diverse beam search (Vijayakumar et al. 2016, algorithm 1, with Hamming diversity) divides the beams into groups that
take turns within a step: a token costs a group `diversity` for each beam of an earlier group that goes on with it at
the same place. What a beginning has paid stays in its score, also when texts of all groups are ranked at the end.
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
    """A text or its beginning.

    `score` is its log-probability, less what diversity has cost, over a power of its length once it is finished;
    `logprobs` are the model's own.
    """

    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    score: float = 0.0


@dataclass(slots=True)
class _Group:
    """The search of one group of beams for one prompt; `running` is empty once it is over."""

    beams: int
    length_penalty: float
    limit: int
    ends: Callable[[tuple[int, ...]], bool]
    candidates: int
    running: list[Hypothesis] = field(default_factory=lambda: [Hypothesis()])
    finished: list[Hypothesis] = field(default_factory=list)

    def best(
        self, logprobs: torch.Tensor, cost: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Candidates to go on with, best first: scores, log-probabilities, and places ``row * V + token``.

        Args:
            logprobs: ``(running, V)``.
            cost: ``(V,)`` of each token, or None.
        """
        import torch

        before = torch.tensor([beam.score for beam in self.running], device=logprobs.device)
        totals = logprobs + before[:, None]
        if cost is not None:
            totals = totals - cost
        best = totals.flatten().topk(min(self.candidates, totals.numel()))
        return best.values, logprobs.flatten()[best.indices], best.indices

    def choose(
        self, scores: Sequence[float], logprobs: Sequence[float], places: Sequence[int], vocabulary: int
    ) -> list[tuple[int, int]]:
        """Rows to go on with and their tokens, from what `best` found; none when the search is over."""
        going_on: list[tuple[int, int]] = []
        beginnings: list[Hypothesis] = []
        for rank, (score, logprob, place) in enumerate(zip(scores, logprobs, places, strict=True)):
            row, token = divmod(place, vocabulary)
            beam = self.running[row]
            tokens = (*beam.token_ids, token)
            grown = Hypothesis(tokens, (*beam.logprobs, logprob), score)
            if len(tokens) == self.limit or self.ends(tokens):
                if rank < self.beams:
                    self._finish(grown)
            elif len(going_on) < self.beams:
                going_on.append((row, token))
                beginnings.append(grown)
        self.running = beginnings
        if not (beginnings and self._may_improve()):
            self.running, going_on = [], []
        return going_on

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
    """The `sampling.beams` best texts of each prompt found, best first; `limits[i]` tokens at most.

    With groups, two of them may have found the same text.
    """
    import torch

    def ends(tokens: tuple[int, ...]) -> bool:
        if tokens[-1] in end_ids:
            return True
        return bool(sampling.stop) and any(stop in decode(list(tokens)) for stop in sampling.stop)

    beams = sampling.beams // sampling.beam_groups
    candidates = max(2, 1 + len(end_ids)) * beams
    searches = [
        [_Group(beams, sampling.length_penalty, limit, ends, candidates) for _ in range(sampling.beam_groups)]
        for limit in limits
    ]
    rows = forward.start(prompts, [1] * len(prompts))
    # Rows of each group of each prompt; all groups of a prompt begin with the prompt's one row.
    places = [[[prompt]] * sampling.beam_groups for prompt in range(len(prompts))]
    while True:
        going_on = _step(searches, places, torch.log_softmax(rows.logits, dim=-1), sampling.diversity)
        keep: list[int] = []
        tokens: list[int] = []
        for prompt, groups in enumerate(going_on):
            for group, chosen in enumerate(groups):
                places[prompt][group] = list(range(len(keep), len(keep) + len(chosen)))
                keep += [row for row, _ in chosen]
                tokens += [token for _, token in chosen]
        if not keep:
            return [_ranked(groups) for groups in searches]
        rows.advance(tokens, keep)


def _step(
    searches: Sequence[Sequence[_Group]],
    places: Sequence[Sequence[Sequence[int]]],
    logprobs: torch.Tensor,
    diversity: float,
) -> list[list[list[tuple[int, int]]]]:
    """For each prompt and group the rows of ``(B, V)`` `logprobs` to go on with and their tokens.

    Groups of different prompts go together; what they found leaves the device at once.
    """
    import torch

    vocabulary = logprobs.shape[1]
    chosen: list[list[list[tuple[int, int]]]] = [[] for _ in searches]
    for group in range(len(searches[0]) if searches else 0):
        live = [prompt for prompt, groups in enumerate(searches) if groups[group].running]
        found = [
            searches[prompt][group].best(
                logprobs[places[prompt][group][0] : places[prompt][group][-1] + 1],
                _cost(chosen[prompt], diversity, logprobs) if group else None,
            )
            for prompt in live
        ]
        lengths = [len(scores) for scores, _, _ in found]
        numbers = torch.stack([torch.cat([one[part] for one in found]) for part in (0, 1)]).tolist() if found else []
        indices = torch.cat([one[2] for one in found]).tolist() if found else []
        for groups in chosen:
            groups.append([])
        first = 0
        for prompt, length in zip(live, lengths, strict=True):
            piece = slice(first, first + length)
            own = searches[prompt][group].choose(numbers[0][piece], numbers[1][piece], indices[piece], vocabulary)
            offset = places[prompt][group][0]
            chosen[prompt][group] = [(offset + row, token) for row, token in own]
            first += length
    return chosen


def _cost(earlier: Sequence[Sequence[tuple[int, int]]], diversity: float, logprobs: torch.Tensor) -> torch.Tensor:
    """``(V,)``: `diversity` for each beam of the earlier groups that goes on with the token."""
    import torch

    tokens = torch.tensor([token for chosen in earlier for _, token in chosen], dtype=torch.long)
    return diversity * torch.bincount(tokens, minlength=logprobs.shape[1]).to(logprobs)


def _ranked(groups: Sequence[_Group]) -> list[Hypothesis]:
    return sorted((text for group in groups for text in group.finished), key=lambda text: -text.score)
