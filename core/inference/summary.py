"""A summary told point by point: in a model's words where its evidence bears them out, else in the template's.

Every point has a template sentence made of facts. The model may only say the same in other words; what it says is
measured against the template, and the template stands where it is refused. Each point says whose words it is in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from core.inference.generator import Generator, Sampling
from core.inference.phrase import Attempt, phrase
from core.metrics.groundedness import Groundedness
from core.metrics.metric import NO_CONTEXT, Context, Contexts, Need, Part, Score, matched_contexts
from core.progress import ProgressCallback
from core.prompts.messages import Message, Prompt
from core.text.language import Language

Guard = Callable[[str, str], str]
"""What speaks against a sentence, given its evidence; "" where nothing does."""

_TASK: dict[Language, str] = {
    "en": "Say this in one or two fluent sentences. Keep every number, unit and name as it stands. Add nothing: no "
    "advice, no opinion, no cause.\n\n{template}",
    "zh": "用一两句通顺的话复述下面的内容。数字、单位和名称照抄，不增加任何内容，不写建议、评价或原因。\n\n{template}",
}
_OTHER_NUMBER: dict[Language, str] = {
    "en": "the number {} is not written so in the facts",
    "zh": "事实中没有写作「{}」的数字",
}
_NOTE: dict[Language, str] = {
    "en": "Worded by {} from the facts of this report. A text with a sentence that its facts do not support is "
    "refused, and the template's stands. It adds nothing to the report.",
    "zh": "由 {} 依据本报告的事实改写。含有事实不能支持的句子的文字不予采用，以模板句代替。它不为报告增加任何内容。",
}
_BY_MODEL: dict[Language, str] = {"en": "the model, every sentence supported", "zh": "模型，每句均有依据"}
_BY_TEMPLATE: dict[Language, str] = {"en": "the template", "zh": "模板"}
_REFUSED: dict[Language, str] = {
    "en": "the template; the model's were refused: {}",
    "zh": "模板；模型的文字未被采用：{}",
}
_NUMBER = re.compile(r"(?<![\w.])[-−–]?\d+(?:[,.]\d+)*")
_MAX_TOKENS = 160


@dataclass(frozen=True, slots=True)
class Point:
    """Something to tell. A `fixed` one, such as a warning, is never reworded."""

    name: str
    template: str
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """A point as it is shown.

    Attributes:
        by: whose words: the model's, each sentence supported by the template; or the template's own.
        reason: why the model's words were refused; "" where they were not, or not asked for.
        attempts: every text that was tried, with its score and what speaks against it.
    """

    point: Point
    text: str
    by: Literal["model", "template"]
    reason: str = ""
    attempts: tuple[Attempt, ...] = ()

    def whose(self, language: Language) -> str:
        """Whose words these are, and why they are not the model's."""
        if self.by == "model":
            return _BY_MODEL[language]
        return _REFUSED[language].format(self.reason) if self.reason else _BY_TEMPLATE[language]


@dataclass(frozen=True, slots=True)
class Summary:
    """All points in order, and the model that was asked."""

    told: tuple[Told, ...]
    model: str

    def note(self, language: Language) -> str:
        """What a reader must know of it."""
        return _NOTE[language].format(self.model)

    def plain_data(self) -> dict[str, object]:
        """As JSON values, with everything that was tried."""
        return {
            "model": self.model,
            "sentences": [
                {
                    "point": told.point.name,
                    "text": told.text,
                    "words_by": told.by,
                    "template": told.point.template,
                    "refused_because": told.reason,
                    "attempts": [asdict(attempt) for attempt in told.attempts],
                }
                for told in self.told
            ],
        }


@dataclass(frozen=True, slots=True)
class Guarded:
    """Groundedness, with sentences refused besides that a guard objects to.

    Numbers must moreover be written as the evidence writes them, with their minus signs, which groundedness does not
    read.
    """

    guards: Sequence[Guard]
    language: Language = "en"
    name: str = "guarded groundedness"
    needs: frozenset[Need] = field(default=frozenset({"evidence"}))

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        matched = matched_contexts(self, candidates, contexts)
        scores = Groundedness(language=self.language).score(candidates, matched)
        return [
            self._guarded(text, score, "\n".join(context.evidence))
            for text, score, context in zip(candidates, scores, matched, strict=True)
        ]

    def _guarded(self, text: str, score: Score, evidence: str) -> Score:
        parts = tuple(self._part(part, text, evidence) for part in score.parts)
        return Score(sum(part.value for part in parts) / len(parts) if parts else 0.0, parts, score.reason)

    def _part(self, part: Part, text: str, evidence: str) -> Part:
        sentence = part.span.of(text) if part.span else text
        objections = [objection for guard in self.guards if (objection := guard(sentence, evidence))]
        objections += [
            _OTHER_NUMBER[self.language].format(number) for number in sorted(other_numbers(sentence, evidence))
        ]
        if not objections:
            return part
        return Part(part.name, 0.0, "; ".join([*filter(None, [part.reason]), *objections]), part.span)


def other_numbers(sentence: str, evidence: str) -> set[str]:
    """Numbers of a sentence that the evidence does not write the same way, sign included."""
    return set(_written(sentence)) - set(_written(evidence))


def _written(text: str) -> list[str]:
    return [re.sub("[−–]", "-", number) for number in _NUMBER.findall(text)]


def tell(
    generator: Generator,
    points: Sequence[Point],
    language: Language,
    *,
    guards: Sequence[Guard] = (),
    progress: ProgressCallback | None = None,
) -> Summary:
    """Each point in the model's words or its own; see the module's docstring.

    Args:
        language: of the templates, and of what is written.
        guards: what else a sentence must not do, such as give advice.
    """
    asked = [point for point in points if not point.fixed]
    phrased = phrase(
        generator,
        [summary_prompt(point.template, language) for point in asked],
        [Context(evidence=(point.template,)) for point in asked],
        metric=Guarded(guards, language),
        rounds=1,
        sampling=Sampling(max_tokens=_MAX_TOKENS),
        progress=progress,
    )
    told = {
        point.name: Told(point, found.text, "model", attempts=found.attempts)
        if found.text
        else Told(point, point.template, "template", found.reason, found.attempts)
        for point, found in zip(asked, phrased, strict=True)
    }
    return Summary(
        tuple(told.get(point.name, Told(point, point.template, "template")) for point in points), generator.name
    )


def summary_prompt(template: str, language: Language) -> Prompt:
    """What the model is asked for one point."""
    return [Message(role="user", content=_TASK[language].format(template=template))]
