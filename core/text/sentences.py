"""Sentence boundaries in Chinese and English text, as spans into the original."""

from __future__ import annotations

import re

from core.text.spans import Span

_ABBREVIATIONS = frozenset(
    (
        *("mr", "mrs", "ms", "dr", "prof", "st", "no", "inc", "co", "corp", "ltd", "u.s", "vs", "fig", "dept"),
        *("approx", "est", "e.g", "i.e", "a.m", "p.m", "pt", "pts", "hx", "yr", "yrs", "wk", "wks", "mg", "ml"),
        *("jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec"),
    )
)
_CLOSERS = re.escape("\"'”’」』）)]》")
_CHINESE_END = "。！？；"
_BOUNDARY = re.compile(
    rf"[{_CHINESE_END}!?]+[{_CLOSERS}]*|(?<!\.)\.++[{_CLOSERS}]*+(?=\s|$)|\n\s*\n|\n(?=\s*(?:[-*•]|\d+[.)、]|#))"
)
_LAST_WORD = re.compile(r"([A-Za-z][A-Za-z.]*)$")


def split_sentences(text: str) -> list[Span]:
    """Spans of the sentences of `text`, without surrounding white space; none overlaps, none is empty.

    Ends at Chinese and Western final marks (with closing quotes), blank lines and list items. A full stop after
    an abbreviation, an initial, or inside a number does not end a sentence.
    """
    spans: list[Span] = []
    start = 0
    for match in _BOUNDARY.finditer(text):
        if match.group().startswith(".") and _is_abbreviation(text, match.start()):
            continue
        _append_stripped(spans, text, start, match.end())
        start = match.end()
    _append_stripped(spans, text, start, len(text))
    return spans


def _is_abbreviation(text: str, stop: int) -> bool:
    word = _LAST_WORD.search(text, max(0, stop - 12), stop)
    if word is None:
        # "1." at the head of a list item numbers it and does not end it.
        line = text[text.rfind("\n", 0, stop) + 1 : stop].strip()
        return line.isdigit()
    letters = word.group(1).lower()
    return letters in _ABBREVIATIONS or (len(letters) == 1 and letters != "i" and word.group(1).isupper())


def _append_stripped(spans: list[Span], text: str, start: int, end: int) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if end > start:
        spans.append(Span(start, end))
