"""Several metrics as one: a weighted sum, written as an expression."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from core.errors import InputError, UnknownName
from core.metrics.answers import AnswerF1, ExactMatch
from core.metrics.bleu import Bleu
from core.metrics.chrf import ChrF
from core.metrics.diversity import Distinct, NgramEntropy
from core.metrics.form import Brevity
from core.metrics.groundedness import Groundedness
from core.metrics.metric import NO_CONTEXT, Contexts, Metric, Need, Part, Score, matched_contexts
from core.metrics.rouge import RougeL, RougeN
from core.metrics.sentiment import SentimentConsistency

_METRICS: tuple[Callable[[], Metric], ...] = (
    *(Bleu, ChrF, lambda: ChrF(words=2), lambda: RougeN(1), lambda: RougeN(2), RougeL, ExactMatch, AnswerF1, Brevity),
    *(lambda: Distinct(1), lambda: Distinct(2), lambda: NgramEntropy(2), Groundedness, SentimentConsistency),
)
_TERM = re.compile(r"\s*(?P<sign>[+-]?)\s*(?:(?P<weight>\d+(?:\.\d+)?|\.\d+)\s*\*\s*)?(?P<name>[a-z]\w*)\s*")


def named_metrics() -> dict[str, Metric]:
    """The metrics that need no setting, by name."""
    return {metric.name: metric for metric in (make() for make in _METRICS)}


@dataclass(frozen=True, slots=True)
class Composite:
    """The weighted sum of metrics. Needs what they need.

    Parts: one a metric, under its name, with its own value (not yet weighted) and reason. With weights that are not
    negative and add up to 1 the value is from 0 to 1.
    """

    terms: tuple[tuple[float, Metric], ...]
    name: str = "composite"

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset(need for _, metric in self.terms for need in metric.needs)

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        matched = matched_contexts(self, candidates, contexts)
        columns = [metric.score(candidates, matched) for _, metric in self.terms]
        return [self._joined([column[row] for column in columns]) for row in range(len(candidates))]

    def _joined(self, scores: Sequence[Score]) -> Score:
        value = sum(weight * score.value for (weight, _), score in zip(self.terms, scores, strict=True))
        parts = tuple(
            Part(metric.name, score.value, _reasons(score))
            for (_, metric), score in zip(self.terms, scores, strict=True)
        )
        told = " + ".join(
            f"{weight:g}*{part.value:.3f} {part.name}" for (weight, _), part in zip(self.terms, parts, strict=True)
        )
        return Score(value, parts, told)


def _reasons(score: Score) -> str:
    return "; ".join(reason for reason in (score.reason, *(part.reason for part in score.parts)) if reason)


def parse_metric(expression: str, metrics: Mapping[str, Metric] | None = None) -> Metric:
    """The metric an expression such as "0.6*groundedness + 0.3*rouge_l + 0.1*brevity" names.

    A term is a metric's name, with a weight before it or 1; a minus sign makes it a penalty. `metrics` adds to
    `named_metrics()` what needs a setting (an encoder, a schema), under the name used in the expression.

    Raises:
        InputError: the expression cannot be read, or a name comes twice.
        UnknownName: no such metric.
    """
    known = {**named_metrics(), **(metrics or {})}
    terms: list[tuple[float, Metric]] = []
    names: list[str] = []
    position = 0
    while position < len(expression) or not terms:
        match = _TERM.match(expression, position)
        if match is None or (bool(terms) and not match["sign"]):
            raise InputError(
                f"The metric '{expression}' cannot be read at '{expression[position:]}'.",
                hint='Write it like "0.6*groundedness + 0.4*rouge_l".',
            )
        if match["name"] not in known:
            raise UnknownName("metric", match["name"], list(known))
        weight = float(match["weight"] or 1) * (-1 if match["sign"] == "-" else 1)
        terms.append((weight, known[match["name"]]))
        names.append(match["name"])
        position = match.end()
    if len(set(names)) < len(names):
        raise InputError(f"The metric '{expression}' names a metric twice.", hint="Add the weights up.")
    return terms[0][1] if len(terms) == 1 and terms[0][0] == 1 else Composite(tuple(terms), name=expression.strip())
