"""Where a sentence denies something, and which of its words the denial reaches."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.metrics.content import HAN, content_tokens
from core.text.spans import Span

_ENGLISH_CUES = (
    r"\b(?:not|no|never|none|neither|nor|without|cannot|unable|fail(?:s|ed)? to|lacks?)\b|\b\w{1,12}n['’]t\b"
)
_CHINESE_CUES = "没有|未能|未曾|并非|绝非|不能|不会|不得|不可|无法|不|没|无|未|非|勿"
# Words that hold a cue's character and deny nothing.
_HARMLESS = (
    "不仅|不但|不只|不光|不单|不过|不断|不久|不同(?!意)|不少|不管|不论|不得不|不可不|不一|不等|不锈|不丹|不列颠|不动产|不良|不妨|不愧"
    "|无论|无数|无线|无锡|无不|毫无疑问|无疑|未来|未必不|未央|未婚|非常|非洲|非但|除非|南非|北非|东非|西非|是非|没收|没落|没入|沉没"
    "|是否|能否|可否|差不多|对不起|了不起|巴不得|忍不住|用不着|也不例外"
    "|not only|not just|no doubt|no longer than"
    "|no later than|no more than|no less than"
)
_CUE = re.compile(rf"(?P<harmless>{_HARMLESS})|(?P<cue>{_ENGLISH_CUES}|{_CHINESE_CUES})", re.IGNORECASE)
_CLAUSE_END = re.compile(r"[，。！？；：、,;:.!?]|\bbut\b|\bhowever\b|但")
_LEFT = re.compile(rf"(?:[{HAN}]{{1,2}}|[^\s{HAN}]+\s+|[，。：；,])$")
_RIGHT = re.compile(rf"^(?:[{HAN}]{{1,2}}|\s+[^\s{HAN}]+)")
_NEGATING = re.compile("不|没(?=有)|没|无|未|非|勿|" + _ENGLISH_CUES, re.IGNORECASE)
_LOOK_CHARACTERS = 60
"""Far enough for the words a denial reaches, and a bound on the work a long sentence makes."""
_REACH = 3
"""Tokens after the cue that count as denied: the predicate and what is next to it."""


@dataclass(frozen=True, slots=True)
class Denial:
    """A cue, and what it denies.

    Attributes:
        reached: the tokens it reaches: word stems, pairs of Chinese characters.
        said: the cue with what is beside it, as it stands.
        unsaid: the same without the denial: "is not the" and "is the", 已不能得到 and 已能得到.
    """

    cue: str
    span: Span
    reached: tuple[str, ...]
    said: str
    unsaid: str


def find_denials(sentence: str) -> list[Denial]:
    """The denials of one sentence; each reaches forward to the end of its clause, a few tokens at most."""
    found = []
    for match in _CUE.finditer(sentence):
        if match["cue"] is None:
            continue
        rest = sentence[match.end() : match.end() + _LOOK_CHARACTERS]
        end = _CLAUSE_END.search(rest)
        clause = rest[: end.start()] if end else rest
        before, after = _beside(sentence[max(0, match.start() - _LOOK_CHARACTERS) : match.start()], rest)
        found.append(
            Denial(
                match["cue"],
                Span(*match.span()),
                tuple(content_tokens(clause)[:_REACH]),
                "".join((before, match["cue"], after)),
                _joined(before, _NEGATING.sub("", match["cue"]), after),
            )
        )
    return found


def _beside(before: str, after: str) -> tuple[str, str]:
    """Two characters to each side where they are Chinese, else a word."""
    left, right = _LEFT.search(before), _RIGHT.search(after)
    return left[0] if left else "", right[0] if right else ""


def _joined(before: str, kept: str, after: str) -> str:
    return re.sub(r" {2,}", " ", f"{before}{kept}{after}")
