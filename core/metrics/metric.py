"""What every measure of a text looks like: `Metric`, `Context`, `Score`; `Stepwise` where it also measures parts.

One protocol serves evaluation, reward, reranking, best-of-n, minimum-Bayes-risk choice and refinement. A metric is
pure: the same candidates and contexts give the same scores, and nothing is remembered between calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from core.errors import InputError
from core.text.spans import Span

Need = Literal["references", "evidence", "prompt"]


class MissingContext(InputError):
    """A metric needs references, evidence or a prompt that its context does not carry."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a candidate is measured against.

    Attributes:
        references: texts that would be right, in any order.
        evidence: texts that the candidate may rest on; nothing else counts as a source.
        prompt: the question or instruction the candidate answers.
    """

    references: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    prompt: str = ""


Contexts = Context | Sequence[Context]
"""One context a candidate, or a single one for all candidates."""

NO_CONTEXT = Context()


@dataclass(frozen=True, slots=True)
class Part:
    """A component of a score. `span` is into the candidate where the part speaks of a stretch of it."""

    name: str
    value: float
    reason: str = ""
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """What a candidate is worth: more is better, 0 to 1 unless the metric says otherwise, and why."""

    value: float
    parts: tuple[Part, ...] = ()
    reason: str = ""

    def part(self, name: str) -> Part:
        """The first part of that name. Raises `KeyError` where there is none."""
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(name)


class Metric(Protocol):
    """A measure of texts. `name` is what expressions and reports call it; `needs` is what its contexts must carry."""

    @property
    def name(self) -> str: ...

    @property
    def needs(self) -> frozenset[Need]: ...

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        """One score a candidate, in order.

        Raises:
            MissingContext: a context lacks something in `needs`.
            InputError: there are neither as many contexts as candidates nor a single one.
        """
        ...


@dataclass(frozen=True, slots=True)
class Milestone:
    """What a candidate is worth up to a place in it: as if it ended after its first `end` characters."""

    end: int
    value: float


@runtime_checkable
class Stepwise(Protocol):
    """A metric of candidates that consist of steps, such as the fields of an object."""

    def milestones(self, candidate: str, context: Context = NO_CONTEXT) -> list[Milestone]:
        """One at the end of each step, in order; none where the candidate has no steps. The last has its score."""
        ...


def matched_contexts(metric: Metric, candidates: Sequence[str], contexts: Contexts) -> list[Context]:
    """One context a candidate, each carrying what `metric` needs. Raises as `Metric.score` does."""
    if isinstance(candidates, str):
        raise InputError(f"{metric.name}: the candidates are one text.", hint="Give a list of texts.")
    matched = [contexts] * len(candidates) if isinstance(contexts, Context) else list(contexts)
    if len(matched) != len(candidates):
        raise InputError(
            f"{metric.name}: {len(candidates)} candidates, but {len(matched)} contexts.",
            hint="Give one context a candidate, or a single Context for all.",
        )
    for need in sorted(metric.needs):
        for number, context in enumerate(matched, start=1):
            value = getattr(context, need)
            if isinstance(value, str) and need != "prompt":
                raise InputError(f"{metric.name}: the {need} are one text.", hint=f"Write {need}=(text,).")
            if not value:
                raise MissingContext(
                    f"{metric.name} needs {need}; the context of candidate {number} has none.",
                    hint=f"Give Context({need}=…).",
                )
    return matched


def evidence_texts(sources: Iterable[object]) -> tuple[str, ...]:
    """The texts of strings, passages (with `text`) or hits (with `passage`). Raises `TypeError` for anything else."""
    texts = []
    for source in sources:
        text = source if isinstance(source, str) else getattr(getattr(source, "passage", source), "text", None)
        if not isinstance(text, str):
            raise TypeError(f"neither a text, nor a passage, nor a hit: {type(source).__name__}")
        texts.append(text)
    return tuple(texts)


def f_measure(precision: float, recall: float, beta: float = 1.0) -> float:
    """The weighted harmonic mean, recall counting `beta` times as much as precision; 0 where both are 0."""
    if precision + recall == 0:
        return 0.0
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)
