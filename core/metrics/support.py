"""Whether one sentence is supported by evidence: its numbers, its names, what it denies, and how much of it is there.

The checks work without a model. They can only find what contradicts the evidence on its surface: a sentence that joins
words of the evidence into something it does not say passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Literal

from core.metrics.content import content_tokens
from core.metrics.names import Name, find_names
from core.metrics.negation import Denial, find_denials
from core.metrics.quantities import Quantity, find_quantities
from core.metrics.segmentation import half_width
from core.text.language import Language
from core.text.sentences import split_sentences
from core.text.spans import Span

WINDOW_SENTENCES = 2
"""Sentences of the evidence in a row among which the words of one sentence are looked for: chosen with the limits."""

Problem = Literal["number", "name", "denial", "denied", "gap", "coverage", "nothing"]

_REASONS: dict[Problem, dict[Language, str]] = {
    "number": {"en": "the number “{}” is not there", "zh": "该处没有数字「{}」"},
    "name": {"en": "the name “{}” is not in the evidence", "zh": "证据中没有名称「{}」"},
    "denial": {"en": "the evidence does not deny it: “{}”", "zh": "证据中没有这一否定：「{}」"},
    "denied": {"en": "the evidence denies it: “{}”", "zh": "证据中对此是否定的：「{}」"},
    "gap": {"en": "“{}” is not in the evidence that is nearest", "zh": "最接近的证据中没有「{}」"},
    "coverage": {"en": "only {} of its words are together in the evidence", "zh": "只有 {} 的词语同见于证据的一处"},
    "nothing": {"en": "there is nothing in it to check", "zh": "没有可核对的内容"},
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, and the words it is about."""

    problem: Problem
    detail: str = ""

    def describe(self, language: Language = "en") -> str:
        return _REASONS[self.problem][language].format(self.detail)


@dataclass(frozen=True, slots=True)
class Support:
    """How a sentence stands.

    Attributes:
        span: of the sentence in the candidate.
        coverage: share of its content tokens that are in the nearest window of the evidence.
        gap: its longest run of tokens that are not there.
        problems: what speaks against it.
    """

    span: Span
    coverage: float
    gap: tuple[str, ...]
    problems: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """A few sentences of the evidence in a row: their content tokens, and their numbers with the units of each."""

    tokens: frozenset[str]
    quantities: dict[Decimal, set[str]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence texts, read once for all the sentences checked against them."""

    text: str
    plain: str
    sentences: tuple[str, ...]
    tokens: tuple[frozenset[str], ...]
    denials: tuple[tuple[Denial, ...], ...]
    windows: tuple[Window, ...]

    @classmethod
    def read(cls, texts: Sequence[str]) -> Evidence:
        sentences: list[str] = []
        windows: list[Window] = []
        for text in texts:
            own = [span.of(text) for span in split_sentences(text)]
            sentences += own
            windows += [_window(own[at : at + WINDOW_SENTENCES]) for at in range(len(own))]
        joined = "\n".join(texts)
        return cls(
            text=joined,
            plain=half_width(joined).casefold(),
            sentences=tuple(sentences),
            tokens=tuple(frozenset(content_tokens(sentence)) for sentence in sentences),
            denials=tuple(tuple(find_denials(sentence)) for sentence in sentences),
            windows=tuple(windows),
        )


def _window(sentences: Sequence[str]) -> Window:
    quantities: dict[Decimal, set[str]] = {}
    for sentence in sentences:
        for quantity in find_quantities(sentence):
            quantities.setdefault(quantity.value, set()).add(quantity.unit)
    return Window(frozenset(token for sentence in sentences for token in content_tokens(sentence)), quantities)


NO_WINDOW = Window(frozenset(), {})


def check_sentence(candidate: str, span: Span, evidence: Evidence) -> Support:
    """The sentence at `span` of `candidate` against the evidence; which coverage and gap suffice is left open."""
    sentence = span.of(candidate)
    tokens = content_tokens(sentence)
    quantities = [quantity for quantity in find_quantities(sentence) if quantity.certain]
    if not tokens and not quantities:
        return Support(span, 0.0, (), (Finding("nothing"),))
    nearest = max(evidence.windows, key=lambda window: _nearness(tokens, quantities, window), default=NO_WINDOW)
    problems = [
        *(Finding("number", number.span.of(sentence)) for number in quantities if not _holds(nearest, number)),
        *(Finding("name", name.span.of(sentence)) for name in _unknown_names(sentence, evidence)),
        *_denials_at_odds(sentence, tokens, evidence),
    ]
    coverage = sum(token in nearest.tokens for token in tokens) / len(tokens) if tokens else 1.0
    return Support(span, coverage, _longest_gap(tokens, nearest.tokens), tuple(dict.fromkeys(problems)))


def _longest_gap(tokens: Sequence[str], known: frozenset[str]) -> tuple[str, ...]:
    runs = (tuple(run) for unknown, run in groupby(tokens, lambda token: token not in known) if unknown)
    return max(runs, key=len, default=())


def _nearness(tokens: Sequence[str], quantities: Sequence[Quantity], window: Window) -> float:
    return _overlap(tokens, window.tokens) + sum(_holds(window, quantity) for quantity in quantities)


def _holds(window: Window, quantity: Quantity) -> bool:
    """Whether the value occurs there with this unit. A value without a unit says nothing against any."""
    units = window.quantities.get(quantity.value)
    return units is not None and (not quantity.unit or quantity.unit in units or "" in units)


def _unknown_names(sentence: str, evidence: Evidence) -> list[Name]:
    return [name for name in find_names(sentence) if not all(word in evidence.plain for word in name.words)]


def _denials_at_odds(sentence: str, tokens: Sequence[str], evidence: Evidence) -> list[Finding]:
    """Denials that the evidence lacks, and denials of the evidence that the sentence drops."""
    findings = []
    own = find_denials(sentence)
    known = {token for denials in evidence.denials for denial in denials for token in denial.reached}
    for denial in own:
        unknown = bool(denial.reached) and not known.intersection(denial.reached)
        put_in = denial.unsaid in evidence.text and denial.said not in evidence.text
        if unknown or put_in:
            findings.append(Finding("denial", sentence[denial.span.start : denial.span.end + 6].strip()))
    denied = {token for denial in own for token in denial.reached}
    affirmed = set(tokens) - denied
    nearest = max(range(len(evidence.tokens)), key=lambda at: _overlap(tokens, evidence.tokens[at]), default=-1)
    for at, denials in enumerate(evidence.denials):
        for denial in denials:
            left_out = len(denial.unsaid) > 3 and denial.unsaid in sentence and denial.unsaid not in evidence.text
            dropped = at == nearest and bool(denial.reached) and affirmed.issuperset(denial.reached)
            if left_out or dropped:
                span = denial.span
                findings.append(Finding("denied", evidence.sentences[at][span.start : span.end + 12].strip()))
    return findings


def _overlap(tokens: Sequence[str], other: frozenset[str]) -> float:
    """Shared tokens, a little less for long sentences so that of equal ones the shortest wins."""
    return sum(token in other for token in tokens) - len(other) / 10_000
