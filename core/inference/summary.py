"""A summary told point by point: in a model's words where its evidence bears them out, else in the template's.

Every point has a template made of facts. The model may only say the same in other words; what it says is measured
against the template, and the template stands where it is refused. Each point says whose words it is in.

Groundedness reads words and not who does what, so more is asked of a wording: it has every word that the point `keeps`,
in the template's order, and its names and numbers come in the template's order, written as there. "For" and "against",
"lowest" and "highest", this year's figure and last year's cannot change places then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from core.inference.generator import Generator, Sampling
from core.inference.phrase import Attempt, finished_sentences, phrase
from core.metrics.groundedness import Groundedness
from core.metrics.metric import NO_CONTEXT, Context, Contexts, Need, Part, Score, matched_contexts
from core.metrics.names import find_names
from core.progress import ProgressCallback
from core.prompts import PromptTemplate, Quotation
from core.prompts.messages import Message
from core.prompts.quotation import without_marks
from core.text.language import Language
from core.text.sentences import split_sentences

Guard = Callable[[str, str], str]
"""What speaks against a sentence, given its evidence; "" where nothing does."""

_TASK: dict[Language, str] = {
    "en": "Say this in one or two fluent sentences. Keep every number, unit and name as it stands. Add nothing: no "
    "advice, no opinion, no cause.\n\n{template}",
    "zh": "用一两句通顺的话复述下面的内容。数字、单位和名称照抄，不增加任何内容，不写建议、评价或原因。\n\n{template}",
}
_OUT_OF_PLACE: dict[Language, str] = {
    "en": "“{}” is not in the facts, is written otherwise there, or comes in another order",
    "zh": "「{}」不在事实中、写法不同或顺序不同",
}
_LEFT_OUT: dict[Language, str] = {"en": "left out or out of order: “{}”", "zh": "遗漏或顺序不同：「{}」"}
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
    """Something to tell.

    Attributes:
        keeps: parts of the template that every wording must have, in this order, whatever their case.
        fixed: never reworded, as a warning should be.
        is_quoted: the template has words of a document, so the model is given it as a quotation.
    """

    name: str
    template: str
    keeps: tuple[str, ...] = ()
    fixed: bool = False
    is_quoted: bool = False


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
    """Groundedness, with texts refused besides that leave out or reorder, or that a guard objects to.

    Attributes:
        keeps: what a text must have, by its evidence.
    """

    guards: Sequence[Guard] = ()
    language: Language = "en"
    keeps: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
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
        parts = [self._part(part, text, evidence) for part in score.parts]
        found = ((out_of_place(text, evidence), _OUT_OF_PLACE), (self._left_out(text, evidence), _LEFT_OUT))
        parts += [Part("whole", 0.0, said[self.language].format(words)) for words, said in found if words and parts]
        return Score(sum(part.value for part in parts) / len(parts) if parts else 0.0, tuple(parts), score.reason)

    def _part(self, part: Part, text: str, evidence: str) -> Part:
        sentence = part.span.of(text) if part.span else text
        objections = [objection for guard in self.guards if (objection := guard(sentence, evidence))]
        if not objections:
            return part
        return Part(part.name, 0.0, "; ".join([*filter(None, [part.reason]), *objections]), part.span)

    def _left_out(self, text: str, evidence: str) -> str:
        return left_out(text, self.keeps.get(evidence, ()))


def adds_no(words: re.Pattern[str], objection: Callable[[str], str]) -> Guard:
    """A guard against what `words` finds in a sentence and does not find in its evidence: "hold" is not "holders"."""

    def guard(sentence: str, evidence: str) -> str:
        known = {match.group().casefold() for match in words.finditer(evidence)}
        added = [match.group() for match in words.finditer(sentence) if match.group().casefold() not in known]
        return objection(added[0]) if added else ""

    return guard


def out_of_place(text: str, evidence: str) -> str:
    """The first number or name of a text that does not follow the one before it in the evidence; "" for none.

    Words that the evidence does not have as names are left to groundedness.
    """
    known = _anchors(evidence)
    rest = iter(known)
    said = (anchor for anchor in _anchors(text) if anchor in known or _NUMBER.fullmatch(anchor))
    return next((anchor for anchor in said if not any(anchor == other for other in rest)), "")


def left_out(text: str, keeps: Sequence[str]) -> str:
    """The first of `keeps` that does not stand after the one before it; "" for none."""
    folded, place = text.casefold(), 0
    for kept in keeps:
        place = folded.find(kept.casefold(), place)
        if place < 0:
            return kept
        place += len(kept)
    return ""


def _anchors(text: str) -> list[str]:
    """Names and numbers in the order of the text; a number with its minus sign, which groundedness does not read."""
    found = [(match.start(), re.sub("[−–]", "-", match.group())) for match in _NUMBER.finditer(text)]
    for sentence in split_sentences(text):
        for name in find_names(sentence.of(text)):
            if not any(character.isdigit() for character in name.words[0]):
                found += [(sentence.start + name.span.start, word) for word in name.words]
    return [anchor for _, anchor in sorted(found)]


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
        [summary_prompt(point, language) for point in asked],
        [Context(evidence=(point.template,)) for point in asked],
        metric=Guarded(guards, language, {point.template: point.keeps for point in asked}),
        rounds=1,
        samples=1,
        sampling=Sampling(max_tokens=_MAX_TOKENS),
        tidy=_tidy,
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


def summary_prompt(point: Point, language: Language) -> list[Message]:
    """What the model is asked for one point."""
    template = Quotation(point.template) if point.is_quoted else point.template
    return list(PromptTemplate(_TASK[language]).format(template=template).turns)


def _tidy(text: str) -> str:
    return finished_sentences(without_marks(text).strip())
