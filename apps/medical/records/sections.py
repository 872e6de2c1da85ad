"""Sections of a clinical note, found by their headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

from core.text import Span, split_sentences

_RULES = Path(__file__).with_name("sections.yaml")
_LONGEST_SENTENCE = 500
_CONTEXT = 40
_WRAPPED_AFTER = re.compile(r"[,，、(（]\s*$|\b(?:and|or|with|of|the|a|no|not|without|in|to)\s*$")


@dataclass(frozen=True, slots=True)
class SectionKind:
    """A kind of section; `experiencer` and `time` are what its findings are read as by default."""

    name: str
    titles: dict[str, str]
    headings: tuple[str, ...]
    experiencer: Literal["patient", "family"] = "patient"
    time: Literal["current", "historical", "hypothetical"] = "current"


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of the note, its heading included. `kind` is None before the first heading."""

    kind: SectionKind | None
    span: Span


@cache
def section_kinds() -> tuple[SectionKind, ...]:
    """The known kinds, from `sections.yaml`."""
    raw = yaml.safe_load(_RULES.read_text(encoding="utf-8"))
    return tuple(
        SectionKind(
            name,
            entry["names"],
            tuple(entry["headings"]),
            entry.get("experiencer", "patient"),
            entry.get("time", "current"),
        )
        for name, entry in raw.items()
    )


@cache
def _heading_pattern() -> re.Pattern[str]:
    """A heading at the start of a line or sentence with a colon, in 【】, in Markdown, or alone on its line."""
    words = sorted((h for kind in section_kinds() for h in kind.headings), key=len, reverse=True)
    heading = "|".join(re.escape(word).replace(r"\ ", "[ \\t]{1,4}") for word in words)
    numbering = r"[#*_>\- \t]{0,12}(?:\d{1,2}[.、)]|[一二三四五六七八九十]{1,3}、)?[#*_ \t]{0,6}"
    return re.compile(
        rf"(?:^{numbering}|(?<=[。；.;])[ \t]{{0,4}})(?:【[ \t]{{0,4}}(?P<boxed>{heading})[ \t]{{0,4}}】[:：]?"
        rf"|(?P<colon>{heading})[*_]{{0,3}}[ \t]{{0,4}}[:：][*_]{{0,3}}"
        rf"|(?P<alone>{heading})[*_]{{0,3}}[ \t]{{0,4}}$)",
        re.IGNORECASE | re.MULTILINE,
    )


@cache
def _kind_of_heading() -> dict[str, SectionKind]:
    return {heading.lower(): kind for kind in section_kinds() for heading in kind.headings}


def find_sections(text: str) -> list[Section]:
    """The note cut at its headings, without gaps; one nameless section where there are none."""
    starts: list[tuple[int, SectionKind | None]] = []
    for match in _heading_pattern().finditer(text):
        group = next(name for name in ("boxed", "colon", "alone") if match.group(name))
        words = " ".join(match.group(group).lower().split())
        lead = len(match.group()) - len(match.group().lstrip())
        starts.append((match.start() + lead, _kind_of_heading()[words]))
    if not starts or text[: starts[0][0]].strip():
        starts.insert(0, (0, None))
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return [Section(kind, Span(start, end)) for (start, kind), end in zip(starts, ends, strict=True) if end > start]


def note_sentences(text: str, section: Span) -> list[Span]:
    """Sentences of one section. A line break ends a sentence unless the line was plainly wrapped.

    Wrapped means that the line ends in a comma or a word that cannot end a sentence, or that the next line goes on in
    lower case. What runs on beyond `_LONGEST_SENTENCE` characters is cut, at a comma or space where there is one.
    """
    body = section.of(text)
    sentences: list[Span] = []
    for sentence in split_sentences(body):
        start = sentence.start
        line_end = body.find("\n", start, sentence.end)
        while line_end >= 0:
            if not _is_wrapped(body, line_end):
                _append(sentences, section, text, start, line_end)
                start = line_end + 1
            line_end = body.find("\n", line_end + 1, sentence.end)
        _append(sentences, section, text, start, sentence.end)
    return sentences


def _is_wrapped(text: str, line_end: int) -> bool:
    before = text[max(0, line_end - _CONTEXT) : line_end]
    after = text[line_end + 1 : line_end + 1 + _CONTEXT].lstrip(" \t")
    return bool(_WRAPPED_AFTER.search(before)) or after[:1].islower()


def _append(sentences: list[Span], section: Span, text: str, start: int, end: int) -> None:
    while end - start > _LONGEST_SENTENCE:
        window = text[section.start + start : section.start + start + _LONGEST_SENTENCE]
        cut = max(window.rfind(mark) for mark in ",，、;；\n ") + 1 or _LONGEST_SENTENCE
        _append(sentences, section, text, start, start + cut)
        start += cut
    piece = text[section.start + start : section.start + end]
    left, right = len(piece) - len(piece.lstrip()), len(piece) - len(piece.rstrip())
    if piece.strip():
        sentences.append(Span(section.start + start + left, section.start + end - right))
