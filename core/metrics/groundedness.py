"""Groundedness: how much of a text is supported by the evidence it is given, sentence by sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from core.metrics.metric import NO_CONTEXT, Contexts, Need, Part, Score, evidence_texts, matched_contexts
from core.metrics.support import Evidence, Finding, Support, check_sentence
from core.text.language import Language, detect_language
from core.text.sentences import split_sentences
from core.text.spans import Span


@dataclass(frozen=True, slots=True)
class Limits:
    """What a sentence must reach.

    Attributes:
        coverage: at least this share of its content tokens stands in the nearest sentences of the evidence.
        gap: at most so many of its tokens in a row are missing there.
    """

    coverage: float
    gap: int


LIMITS: Mapping[Language, Limits] = {"zh": Limits(0.7, 2), "en": Limits(0.7, 2)}
"""The strictest with a balanced accuracy within 0.005 of the best on half of the passages of CMRC2018, whose questions
make real paraphrases; English has the same, its study having milder ones. `python -m benchmarks.groundedness` chooses
and reports, on the passages left over: balanced accuracy .85, AUC .90, F1 of unsupported sentences .89 (9,535 Chinese
sentences); .97, .98, .97 (3,935 English ones, from GSC+)."""


@dataclass(frozen=True, slots=True)
class Groundedness:
    """The share of a text that its evidence supports: mean over its sentences of how much of each is found there.

    A sentence counts 0 unless all of this holds: each number stands in the nearest sentences of the evidence, with the
    same unit where both have one; each name stands in the evidence; it denies what the evidence denies and nothing
    else; and enough of its words stand in the nearest sentences (`LIMITS`). Then it counts the share of its words found
    there. What cannot be checked counts 0: a text without sentences, a sentence without content words, blank evidence.

    Needs evidence. Parts: one a sentence, named `sentence`, with its span and what speaks against it.

    What it cannot see: roles exchanged ("A sued B", "B sued A"), a short Chinese name put in place of another (14 % of
    such sentences pass), two facts of the same passage mixed up (an answer to another question of the same passage
    passes in 39 %). It reads surfaces and makes no inference: of true Chinese statements in other words it refuses
    32 %, of quotations 0.1 % (all by `python -m benchmarks.groundedness`).

    Attributes:
        evidence: texts, passages or hits that every candidate may rest on, where its context brings none of its own.
        language: of the reasons.
    """

    evidence: Iterable[object] = ()
    language: Language = "en"
    name: str = "groundedness"
    needs: frozenset[Need] = field(init=False)

    def __post_init__(self) -> None:
        own = evidence_texts(self.evidence)
        object.__setattr__(self, "evidence", own)
        object.__setattr__(self, "needs", frozenset() if own else frozenset({"evidence"}))

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        matched = matched_contexts(self, candidates, contexts)
        texts = [context.evidence or evidence_texts(self.evidence) for context in matched]
        read = {text: Evidence.read(text) for text in set(texts)}
        return [self._score(candidate, read[text]) for candidate, text in zip(candidates, texts, strict=True)]

    def _score(self, candidate: str, evidence: Evidence) -> Score:
        parts = tuple(self._part(candidate, span, evidence) for span in split_sentences(candidate))
        if not parts:
            return Score(0.0, reason=_EMPTY[self.language])
        refused = sum(not part.value for part in parts)
        value = sum(part.value for part in parts) / len(parts)
        return Score(value, parts, _REFUSED[self.language].format(refused, len(parts)) if refused else "")

    def _part(self, candidate: str, span: Span, evidence: Evidence) -> Part:
        support = check_sentence(candidate, span, evidence)
        limits = LIMITS[detect_language(span.of(candidate))]
        problems = [*support.problems, *_short_of(support, limits)]
        reason = "; ".join(problem.describe(self.language) for problem in problems)
        return Part("sentence", 0.0 if problems else support.coverage, reason, span)


_EMPTY: dict[Language, str] = {"en": "the text says nothing", "zh": "文本没有内容"}
_REFUSED: dict[Language, str] = {
    "en": "not supported: {} of {} sentences",
    "zh": "缺乏依据的句子：{} / {}",
}


def _short_of(support: Support, limits: Limits) -> list[Finding]:
    if any(problem.problem == "nothing" for problem in support.problems):
        return []
    found = []
    if len(support.gap) > limits.gap:
        found.append(Finding("gap", _shown(support.gap)))
    if support.coverage < limits.coverage:
        found.append(Finding("coverage", f"{support.coverage:.0%}"))
    return found


def _shown(tokens: Sequence[str]) -> str:
    """A run of tokens as text: overlapping pairs of Chinese characters joined, words with spaces."""
    shown = tokens[0]
    for token in tokens[1:]:
        chinese = "\u3400" <= token[0] <= "\u9fff"
        shown += token[1:] if chinese and shown[-1] == token[0] else f"{'' if chinese else ' '}{token}"
    return shown
