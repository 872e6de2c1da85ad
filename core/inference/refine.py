"""Draft, evaluate, revise: a text is improved until it is good enough, stays the same, or the budget is spent.

`refine` knows neither model nor metric. `core.inference.revise` has ways to revise with any `Generator`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from core.errors import InputError
from core.metrics.metric import NO_CONTEXT, Context, Metric, Score

Evaluate = Callable[[Sequence[str]], list[Score]]
"""Scores of texts, more is better."""
Stopped = Literal["enough", "converged", "no gain", "budget"]


class Reviser(Protocol):
    """A way to revise. `name` says which, in the trace."""

    @property
    def name(self) -> str: ...

    def __call__(self, draft: str, score: Score) -> list[str]:
        """Texts that may be better than `draft`; none where this way has nothing to offer."""
        ...


@dataclass(frozen=True, slots=True)
class Proposal:
    """A text that a reviser offered, and its score."""

    by: str
    text: str
    score: Score


@dataclass(frozen=True, slots=True)
class Step:
    """One round: what was offered, and which was taken (None: none was better than the draft)."""

    proposals: tuple[Proposal, ...]
    taken: int | None


@dataclass(frozen=True, slots=True)
class Refinement:
    """A text, how it came about, and why it was left at that.

    Attributes:
        draft: what it began with, as a proposal by "draft".
        steps: round by round.
        stopped: "enough" (the score aimed at is reached), "converged" (nothing new was offered), "no gain" (nothing
            offered was better), "budget" (rounds or texts are used up).
    """

    draft: Proposal
    steps: tuple[Step, ...]
    stopped: Stopped

    @property
    def versions(self) -> tuple[Proposal, ...]:
        """The draft and every text that took its place, each scored higher than the one before."""
        taken = [step.proposals[step.taken] for step in self.steps if step.taken is not None]
        return (self.draft, *taken)

    @property
    def text(self) -> str:
        """The best text found; never scored below an earlier one."""
        return self.versions[-1].text

    @property
    def score(self) -> Score:
        """Of the best text found."""
        return self.versions[-1].score

    @property
    def texts_measured(self) -> int:
        """What it cost, beside what the revisers did."""
        return 1 + sum(len(step.proposals) for step in self.steps)


def evaluator(metric: Metric, context: Context = NO_CONTEXT) -> Evaluate:
    """`metric` with its context, as `refine` takes it."""
    return lambda texts: metric.score(texts, context)


def guarded(evaluate: Evaluate, guard: Evaluate, draft: str, *, loss: float) -> Evaluate:
    """`evaluate`, but 0 for a text that `guard` scores more than `loss` below the draft; the reason says so.

    What is improved by one measure alone drifts from what it does not measure: refined for groundedness, an answer may
    become a true sentence about something else. Guarded by its relevance to the question it may not.
    """
    (start,) = guard([draft])

    def both(texts: Sequence[str]) -> list[Score]:
        kept = [value.value >= start.value - loss for value in guard(texts)]
        return [
            score
            if keep
            else Score(0.0, score.parts, "; ".join(filter(None, (score.reason, "guard: worse than the draft"))))
            for score, keep in zip(evaluate(texts), kept, strict=True)
        ]

    return both


def refine(
    draft: str,
    evaluate: Evaluate,
    revise: Reviser | Sequence[Reviser],
    *,
    rounds: int = 3,
    texts: int = 64,
    enough: float | Callable[[Score], bool] = 1.0,
    patience: int = 1,
    margin: float = 0.0,
) -> Refinement:
    """Improve a draft step by step. In each round every reviser offers texts, and the best takes the draft's place.

    Args:
        draft: for instance a greedy text, or the best of a beam search.
        rounds: at most so many.
        texts: at most so many are measured, the draft included.
        enough: stop at this score, or at one of which this is true.
        patience: stop after so many rounds in a row without a better text.
        margin: a text counts as better only if its score is higher by more than this. A metric that is itself a guess
            prefers some worse texts by a little; how much is to be found on held-out texts.
    """
    for name, value in (("rounds", rounds), ("texts", texts), ("patience", patience)):
        if value < 1:
            raise InputError(f"refine: {name} = {value} cannot be used.", hint="Use at least 1.")
    if not margin >= 0:
        raise InputError(f"refine: margin = {margin} cannot be used.", hint="Use 0 or more.")
    revisers = list(revise) if isinstance(revise, Sequence) else [revise]
    (score,) = evaluate([draft])
    start = best = Proposal("draft", draft, score)
    steps: list[Step] = []
    seen = {draft}
    misses = 0
    while True:
        stopped = _stopped(best, enough, len(steps) == rounds or len(seen) >= texts, misses >= patience)
        if stopped:
            return Refinement(start, tuple(steps), stopped)
        offered = _offers(revisers, best, seen)[: texts - len(seen)]
        if not offered:
            return Refinement(start, tuple(steps), "converged")
        seen.update(text for _, text in offered)
        scores = evaluate([text for _, text in offered])
        proposals = tuple(Proposal(by, text, found) for (by, text), found in zip(offered, scores, strict=True))
        top = max(range(len(proposals)), key=lambda index: (proposals[index].score.value, -index))
        gained = proposals[top].score.value > best.score.value + margin
        steps.append(Step(proposals, top if gained else None))
        best = proposals[top] if gained else best
        misses = 0 if gained else misses + 1


def _stopped(best: Proposal, enough: float | Callable[[Score], bool], spent: bool, no_gain: bool) -> Stopped | None:
    if enough(best.score) if callable(enough) else best.score.value >= enough:
        return "enough"
    if no_gain:
        return "no gain"
    return "budget" if spent else None


def _offers(revisers: Sequence[Reviser], best: Proposal, seen: set[str]) -> list[tuple[str, str]]:
    """What the revisers offer that is new and not blank, with who offers it."""
    offered: dict[str, str] = {}
    for reviser in revisers:
        for text in reviser(best.text, best.score):
            if text.strip() and text not in seen:
                offered.setdefault(text, reviser.name)
    return [(by, text) for text, by in offered.items()]
