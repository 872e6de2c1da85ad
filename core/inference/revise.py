"""Ways to revise a text with a generator, for `refine`: with the critique, its worst span, its unlikely positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from core.errors import InputError
from core.inference.choose import VARIED
from core.inference.generator import Generator, Sampling
from core.metrics.metric import Part, Score
from core.prompts.messages import Message, Prompt, RawText, as_messages
from core.text.language import Language, detect_language

_TWO = replace(VARIED, n=2)
_TWO_SHORT = replace(_TWO, max_tokens=96)
_AGAIN: Mapping[Language, str] = {
    "en": "This answer has problems:\n{problems}\nWrite the whole answer again without them. Write only the answer.",
    "zh": "这个回答存在以下问题：\n{problems}\n请改正这些问题，重写完整的回答。只写回答本身。",
}
_WORST: Mapping[Language, str] = {
    "en": "In this answer, the part “{part}” has a problem: {problem}\nWrite that part again without it. "
    "Write only the new part.",
    "zh": "这个回答中的「{part}」存在问题：{problem}\n请改正后重写这一部分。只写新的部分。",
}
_UNKNOWN: Mapping[Language, str] = {"en": "it is not good enough", "zh": "不够好"}


@dataclass(frozen=True, slots=True)
class Redraw:
    """Draws the whole text again, knowing nothing of the draft or its score."""

    generator: Generator
    prompt: Prompt
    sampling: Sampling = _TWO
    name: str = "redraw"

    def __call__(self, draft: str, score: Score) -> list[str]:
        return [completion.text.strip() for completion in self.generator.generate([self.prompt], self.sampling)]


@dataclass(frozen=True, slots=True)
class Regenerate:
    """Asks for the whole text again, with what the score says against it."""

    generator: Generator
    prompt: Prompt
    sampling: Sampling = _TWO
    name: str = "regenerate"

    def __call__(self, draft: str, score: Score) -> list[str]:
        language = detect_language(draft)
        problems = "\n".join(f"- {reason}" for reason in _reasons(draft, score)) or f"- {_UNKNOWN[language]}"
        asked = _AGAIN[language].format(problems=problems)
        prompt = _in_reply(self.prompt, draft, asked) if draft.strip() else self.prompt  # nothing to criticise
        completions = self.generator.generate([prompt], self.sampling)
        return [completion.text.strip() for completion in completions]


@dataclass(frozen=True, slots=True)
class EditWorst:
    """Leaves out the span with the lowest score, and asks for it again. Needs a metric whose parts have spans."""

    generator: Generator
    prompt: Prompt
    sampling: Sampling = _TWO_SHORT
    name: str = "edit worst"

    def __call__(self, draft: str, score: Score) -> list[str]:
        worst = _worst_part(score)
        if worst is None or worst.span is None:
            return []
        before, after = draft[: worst.span.start], draft[worst.span.end :]
        language = detect_language(draft)
        asked = _WORST[language].format(part=worst.span.of(draft), problem=worst.reason or _UNKNOWN[language])
        completions = self.generator.generate([_in_reply(self.prompt, draft, asked)], self.sampling)
        rewritten = [before + completion.text.strip() + after for completion in completions if completion.text.strip()]
        return [(before.rstrip() + after if not after.strip() else before + after.lstrip()).strip(), *rewritten]


@dataclass(frozen=True, slots=True)
class ResampleUnlikely:
    """Keeps the text up to a token the model itself found unlikely, and lets it go on from there.

    Attributes:
        places: how many of the least likely tokens are tried, each with `sampling.n` texts.
    """

    generator: Generator
    prompt: Prompt
    sampling: Sampling = _TWO
    places: int = 2
    name: str = "resample unlikely"

    def __call__(self, draft: str, score: Score) -> list[str]:
        if not draft:
            return []
        (found,) = self.generator.score([self.prompt], [draft])
        if not found.offsets:
            raise InputError(
                f"'{self.generator.name}' does not say where its tokens begin.", hint="Revise in another way."
            )
        unlikely: dict[int, float] = {}
        for start, logprob in zip(found.offsets, found.logprobs, strict=True):
            unlikely[start] = min(logprob, unlikely.get(start, 0.0))
        starts = sorted(unlikely, key=lambda start: unlikely[start])[: self.places]
        prompts = [_continued(self.prompt, draft[:start]) for start in starts]
        completions = self.generator.generate(prompts, self.sampling)
        kept = [draft[:start] for start in starts for _ in range(self.sampling.n)]
        return [start + completion.text for start, completion in zip(kept, completions, strict=True)]


def _in_reply(prompt: Prompt, draft: str, asked: str) -> list[Message]:
    if isinstance(prompt, RawText):
        raise InputError("A raw text cannot be criticised.", hint="Give the prompt as a question or as turns.")
    return [*as_messages(prompt), {"role": "assistant", "content": draft}, {"role": "user", "content": asked}]


def _continued(prompt: Prompt, beginning: str) -> Prompt:
    """The prompt with the beginning of its answer."""
    if isinstance(prompt, RawText):
        return RawText(prompt + beginning)
    if not beginning:
        return prompt
    return [*as_messages(prompt), {"role": "assistant", "content": beginning}]


def _worst_part(score: Score) -> Part | None:
    located = [part for part in score.parts if part.span is not None and len(part.span)]
    return min(located, key=lambda part: part.value, default=None)


def _reasons(draft: str, score: Score) -> list[str]:
    """What the score and its parts say, with the words they speak of."""
    reasons = [score.reason] if score.reason else []
    for part in score.parts:
        if part.reason:
            reasons.append(f"“{part.span.of(draft)}”: {part.reason}" if part.span else part.reason)
    return reasons
