"""Where the numbered items of a form begin and end.

An item number occurs many times in a filing: in the table of contents, in running heads, in references. Candidates are
lines that begin with one; among them the strictly rising chain that covers the most text is taken. Entries of a table
of contents cover next to none, so they lose to the headings they point at, without a rule that recognises them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from math import log1p
from pathlib import Path

import yaml

from apps.finance_risk.filings.model import Item
from core.text.spans import Span

_ITEMS_FILE = Path(__file__).with_name("items.yaml")
_NUMBERED = re.compile(
    r"^[ \t]*(?:part[ \t]+(?P<part>i{1,3}|iv)\b[ \t,.:–—-]*)?items?\s*(?:no\.?\s*)?"
    r"(?P<number>\d{1,2}(?:\.\d\d)?)[ \t]*(?:\(?(?P<letter>[ABCabc])\)?(?![A-Za-z]))?"
    r"(?:\s*(?:and|&)\s*(?P<second>\d{1,2})(?P<second_letter>[ABC])?(?=[.: \t]))?"
    r"(?:\([a-z]\))?[ \t]*[.:–—|-]*[ \t]*(?P<rest>[^\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_PART = re.compile(r"^[ \t]*part[ \t]+(?P<part>i{1,3}|iv)\b(?P<rest>[^\n]{0,60})$", re.IGNORECASE | re.MULTILINE)
_CHINESE = re.compile(
    r"^[ \t]*第(?P<number>[一二三四五六七八九十]{1,3})[节章][ \t、.．]*(?P<rest>[^\n]{0,60})$", re.MULTILINE
)
_SIGNATURES = re.compile(r"^[ \t]*signatures?[ \t.:]*$", re.IGNORECASE | re.MULTILINE)
_REFERENCE = re.compile(
    r"^(?:of|in|to|and|or|above|below|under|for|is|are|was|herein|hereof|which|through)\b|^[,;)”\"]"
)
_LONGEST_HEADING = 400
_DIGITS = "一二三四五六七八九"


@dataclass(frozen=True, slots=True)
class _Candidate:
    key: tuple[int, ...]  # rises along the form
    numbers: tuple[str, ...]
    part: str
    title: str
    start: int
    end: int


@cache
def item_names(form: str) -> dict[str, dict[str, str]]:
    """Names of a form's items by number ("7A", "5.02"; a 10-Q's with their part, "II-1A"); empty for other forms."""
    names = yaml.safe_load(_ITEMS_FILE.read_text(encoding="utf-8"))
    return names.get("10-K" if form.startswith("10-K") else form, {})  # type: ignore[no-any-return]


def find_items(text: str, form: str) -> tuple[Item, ...]:
    """The items of `text`, in order, without overlap. Empty where the form has none or none is recognised."""
    if form.endswith("-cn"):
        candidates = _chinese_candidates(text)
    else:
        names = item_names(form)
        candidates = _candidates(text, names, with_parts=form == "10-Q") if names else []
    chain = _best_chain(candidates, len(text))
    if not chain:
        return ()
    ends = [candidate.start for candidate in chain[1:]] + [_end(text, chain[-1].end)]
    items: list[Item] = []
    for candidate, end in zip(chain, ends, strict=True):
        for number in candidate.numbers:
            heading, span = Span(candidate.start, candidate.end), Span(candidate.start, max(end, candidate.end))
            items.append(Item(number, candidate.part, candidate.title, heading, span))
    return tuple(items)


def _candidates(text: str, names: dict[str, dict[str, str]], *, with_parts: bool) -> list[_Candidate]:
    parts = [(match.start(), match["part"].upper()) for match in _PART.finditer(text)] if with_parts else []
    order = {number: position for position, number in enumerate(names)}
    found: list[_Candidate] = []
    for match in _NUMBERED.finditer(text):
        number = match["number"] + (match["letter"] or "").upper()
        rest = match["rest"].strip()
        if _REFERENCE.match(rest) or len(rest) > _LONGEST_HEADING:
            continue
        part = (match["part"] or "").upper()
        if with_parts and not part:
            part = next((name for start, name in reversed(parts) if start < match.start()), "I")
        prefix = f"{part}-" if with_parts else ""
        if prefix + number not in order:
            continue
        numbers = [number]
        if match["second"] and prefix + match["second"] in order:
            numbers.append(match["second"] + (match["second_letter"] or "").upper())
        end = match.end()
        title = rest
        if not re.search(r"[A-Za-z]{2}", title):
            title, end = _next_line(text, match.end())
        start = match.start() + (len(match.group()) - len(match.group().lstrip()))
        last = order.get(prefix + numbers[-1], order[prefix + number])
        key = (order[prefix + number], last)
        found.append(_Candidate(key, tuple(numbers), part if with_parts else "", _clean(title), start, end))
    return found


def _chinese_candidates(text: str) -> list[_Candidate]:
    found = []
    for match in _CHINESE.finditer(text):
        number = _chinese_number(match["number"])
        title = re.sub(r"[.…·\s]*\d*$", "", match["rest"]).strip()
        found.append(_Candidate((number, number), (str(number),), "", title, match.start(), match.end()))
    return found


def _best_chain(candidates: list[_Candidate], text_length: int) -> list[_Candidate]:
    """The rising chain of candidates with the largest sum of log lengths (longest-chain dynamic programme)."""
    if not candidates:
        return []
    ends = [candidate.start for candidate in candidates[1:]] + [text_length]
    weights = [log1p(max(0, end - c.end)) + 0.01 for c, end in zip(candidates, ends, strict=True)]
    best = weights.copy()
    before: list[int | None] = [None] * len(candidates)
    for index, candidate in enumerate(candidates):
        for earlier in range(index):
            if candidates[earlier].key[-1] < candidate.key[0] and best[earlier] + weights[index] > best[index]:
                best[index] = best[earlier] + weights[index]
                before[index] = earlier
    index_: int | None = max(range(len(best)), key=best.__getitem__)
    chain: list[_Candidate] = []
    while index_ is not None:
        chain.append(candidates[index_])
        index_ = before[index_]
    return chain[::-1]


def _next_line(text: str, start: int) -> tuple[str, int]:
    """The first line with letters among the next two; `("", start)` where there is none."""
    position = start
    for _ in range(2):
        line_start = position + 1
        position = text.find("\n", line_start)
        position = len(text) if position < 0 else position
        line = text[line_start:position].strip()
        if re.search(r"[A-Za-z]{2}", line) and len(line) <= _LONGEST_HEADING:
            return line, position
    return "", start


def _clean(title: str) -> str:
    """The title without page number, leaders and final stop."""
    return re.sub(r"[\s.…]*\d*$", "", " ".join(title.split())).strip(" .:–—-")


def _end(text: str, start: int) -> int:
    """The last item ends where the signatures begin."""
    match = _SIGNATURES.search(text, start)
    return match.start() if match else len(text)


def _chinese_number(text: str) -> int:
    if "十" in text:
        tens, _, ones = text.partition("十")
        return (_DIGITS.index(tens) + 1 if tens else 1) * 10 + (_DIGITS.index(ones) + 1 if ones else 0)
    return _DIGITS.index(text) + 1
