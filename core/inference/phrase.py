"""Phrasing bound to evidence: a model words something, and what comes out is supported by its evidence or refused.

Draft, measure, refine, accept or refuse. Whoever calls shows its own words where a text is refused; how it came to that
is kept as data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from core.errors import InputError
from core.inference.choose import VARIED
from core.inference.generator import Generator, Sampling
from core.inference.refine import Proposal, Refinement, Reviser, evaluator, refine
from core.inference.revise import EditWorst, Regenerate
from core.metrics.groundedness import Groundedness
from core.metrics.metric import Context, Metric, Score
from core.progress import ProgressCallback
from core.prompts.messages import Prompt
from core.text.sentences import split_sentences

Accept = Callable[[Score], bool]
"""Whether a text with this score may be shown."""
Way = Callable[[Generator, Prompt, Sampling], Reviser]
"""A way to revise, still without its generator: `Regenerate`, `EditWorst`, `ResampleUnlikely` (local models only)."""

_FINISHED = re.compile(r"[.!?。！？；…][\"'”’」』）)\]》*]*$")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A text that was tried, as a page shows it.

    Attributes:
        step: 0 for the draft, then the round of refinement.
        by: "draft", or the way it was revised.
        value: of the metric.
        kept: it was the best so far, and the next round went on from it.
        accepted: it may be shown.
        reasons: what speaks against it, for the whole and sentence by sentence.
    """

    step: int
    by: str
    text: str
    value: float
    kept: bool
    accepted: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Phrased:
    """What became of one prompt.

    Attributes:
        chosen: the text that may be shown, and its score; None where every text was refused.
        refinement: the draft and what was made of it.
        attempts: all texts tried, in order; the draft first.
    """

    chosen: Proposal | None
    refinement: Refinement
    attempts: tuple[Attempt, ...]

    @property
    def accepted(self) -> bool:
        return self.chosen is not None

    @property
    def text(self) -> str | None:
        """The accepted text."""
        return self.chosen.text if self.chosen else None

    @property
    def reason(self) -> str:
        """Why the best text was refused; "" where one was accepted."""
        return "" if self.chosen else "; ".join(_reasons(self.refinement.versions[-1]))


def every_sentence_supported(score: Score) -> bool:
    """Whether there are sentences, and each holds against its evidence: none has value 0 (see `Groundedness`)."""
    return bool(score.parts) and all(part.value > 0 for part in score.parts)


def finished_sentences(text: str) -> str:
    """`text` without a last sentence that was cut off: one with no mark at its end. "" where none is finished."""
    spans = [span for span in split_sentences(text) if _FINISHED.search(span.of(text))]
    return text[: spans[-1].end].strip() if spans else ""


def phrase(
    generator: Generator,
    prompts: Sequence[Prompt],
    contexts: Context | Sequence[Context],
    *,
    metric: Metric | None = None,
    accept: Accept = every_sentence_supported,
    ways: Sequence[Way] = (Regenerate, EditWorst),
    rounds: int = 2,
    samples: int = 2,
    sampling: Sampling | None = None,
    tidy: Callable[[str], str] = finished_sentences,
    progress: ProgressCallback | None = None,
) -> list[Phrased]:
    """Word each prompt's answer from its evidence; refine what is not accepted at once; refuse what never is.

    All drafts are written greedily in one batch. A draft that is accepted costs nothing more. Any other is refined: at
    most `rounds` rounds of `samples` texts for each of `ways`, until one is accepted or a round brings nothing better.

    Args:
        prompts: turns, not `RawText`, where a way puts its critique to the model.
        contexts: the evidence of each prompt, or one for all.
        metric: what is measured; None for `Groundedness()`, whose reasons are in English.
        accept: the default holds for metrics with a part for each sentence that is 0 where the sentence does not stand.
        ways: how to revise; none leaves it at the draft.
        sampling: of the draft; revisions have its length, and are drawn as `VARIED` says.
        tidy: makes the text of a completion: what it drops is neither measured nor shown. It must leave nothing of a
            text that was cut off, or only what is whole.

    Raises:
        InputError: neither one context nor as many as prompts; a number of rounds or samples below 1.
        MissingContext: a context lacks what the metric needs.
    """
    matched = [contexts] * len(prompts) if isinstance(contexts, Context) else list(contexts)
    if len(matched) != len(prompts):
        raise InputError(
            f"There are {len(prompts)} prompts and {len(matched)} contexts.", hint="Give one context a prompt."
        )
    measure = metric or Groundedness()
    drawn = sampling or Sampling()
    no_beams = replace(drawn, beams=1, beam_groups=1, diversity=0.0, n=samples)
    varied = replace(no_beams, temperature=VARIED.temperature, top_p=VARIED.top_p)
    drafts = generator.generate(prompts, replace(drawn, temperature=0.0, n=1)) if prompts else []
    phrased = []
    for prompt, context, draft in zip(prompts, matched, drafts, strict=True):
        revisers = [_Tidied(way(generator, prompt, varied), tidy) for way in ways]
        evaluate = evaluator(measure, context)
        found = refine(tidy(draft.text), evaluate, revisers, rounds=rounds, enough=accept)
        phrased.append(_decided(found, accept))
        if progress:
            progress(len(phrased), len(prompts))
    return phrased


@dataclass(frozen=True, slots=True)
class _Tidied:
    """A reviser whose texts are made tidy before they are measured."""

    reviser: Reviser
    tidy: Callable[[str], str]

    @property
    def name(self) -> str:
        return self.reviser.name

    def __call__(self, draft: str, score: Score) -> list[str]:
        return [self.tidy(text) for text in self.reviser(draft, score)]


def _decided(found: Refinement, accept: Accept) -> Phrased:
    """The best text that is accepted. Usually the last version; a text with a lower score where that is refused."""
    attempts = [_attempt(0, found.draft, accept, kept=True)]
    proposals = [found.draft]
    for number, step in enumerate(found.steps, start=1):
        for index, proposal in enumerate(step.proposals):
            proposals.append(proposal)
            attempts.append(_attempt(number, proposal, accept, kept=index == step.taken))
    shown = [proposal for proposal, attempt in zip(proposals, attempts, strict=True) if attempt.accepted]
    chosen = max(shown, key=lambda proposal: proposal.score.value, default=None)
    return Phrased(chosen, found, tuple(attempts))


def _attempt(step: int, proposal: Proposal, accept: Accept, *, kept: bool) -> Attempt:
    accepted = bool(proposal.text.strip()) and accept(proposal.score)
    return Attempt(step, proposal.by, proposal.text, proposal.score.value, kept, accepted, _reasons(proposal))


def _reasons(proposal: Proposal) -> tuple[str, ...]:
    score = proposal.score
    told = (score.reason, *(part.reason for part in score.parts))
    return tuple(reason for reason in told if reason)
