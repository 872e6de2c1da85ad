"""Where a short answer stands in its evidence and how it sits with its question: features for a learned reward."""

from __future__ import annotations

from collections.abc import Sequence

from core.metrics.content import content_tokens

FEATURES = ("repeats the question", "near the question", "region of the question", "at a boundary", "word for word")
_NEAR, _REGION = 25, 60
"""Characters looked at before and after the answer."""
_MARKS = frozenset("，。、；：！？（）《》“”「」『』,.;:!?()\"' \n\t")
_ENDS = "".join(sorted(_MARKS))


def answer_place(question: str, evidence: Sequence[str], answer: str) -> list[float]:
    """`FEATURES` of an answer, each from 0 to 1; all but the first are 0 where it stands nowhere word for word.

    How many of the answer's words the question has; how many of the question's words stand within 25 and within 60
    characters of the answer; how many of its two ends are at a mark or space; whether it is there word for word.
    """
    bare = answer.strip(_ENDS)
    asked, own = set(content_tokens(question)), set(content_tokens(bare))
    repeats = len(own & asked) / max(1, len(own))
    found = next(((text, text.find(bare)) for text in evidence if bare and bare in text), None)
    if found is None:
        return [repeats, 0.0, 0.0, 0.0, 0.0]
    text, start = found
    end = start + len(bare)
    before, after = text[max(0, start - _NEAR) : start], text[end : end + _NEAR]
    near = {*content_tokens(before), *content_tokens(after)}
    region = set(content_tokens(text[max(0, start - _REGION) : end + _REGION]))
    size = max(1, len(asked))
    ends = float(start == 0 or text[start - 1] in _MARKS) + float(end == len(text) or text[end] in _MARKS)
    return [repeats, len(near & asked) / size, len(region & asked) / size, ends / 2, 1.0]
