"""Cleaning of texts without losing their meaning, and of record sets without losing count.

Every change of a text is a list of edits, so that labelled spans move with the characters they stand on.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from core.errors import InputError
from core.privacy import find_personal_data
from core.progress import ProgressCallback
from core.text import detect_language
from core.training.data.records import LabelledSpan, Record, SpanLabelled


class Edit(NamedTuple):
    """Characters `[start, end)` are replaced by `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: records before and after, records changed, and counts of what it met."""

    name: str
    before: int
    after: int
    changed: int = 0
    found: tuple[tuple[str, int], ...] = ()


Edits = Callable[[str], list[Edit]]

# Removed: control characters, zero-width space and joiner U+2060, byte-order mark, soft hyphen, marks that turn the
# direction of text (they can hide what a line says), tags, lone surrogates, noncharacters. The zero-width joiner and
# non-joiner stay: emoji and several scripts are spelt with them.
_INVISIBLE = (
    r"\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u2060\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff"
    r"\ud800-\udfff\U000e0000-\U000e007f"
)
_UNCLEAN = re.compile(
    rf"(?P<invisible>[{_INVISIBLE}]+)|(?P<line>\r\n?|[\x0b\x0c\x85\u2028\u2029])|"
    r"(?P<space>[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000])"
)
_OUTER_SPACE = re.compile(r"\A\s+|\s+\Z")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LETTER = re.compile(r"[^\W\d_]")


def invisible_edits(text: str) -> list[Edit]:
    """Invisible characters removed, every line end made ``\\n``, every kind of space an ordinary one."""
    replacement = {"invisible": "", "line": "\n", "space": " "}
    return [Edit(*found.span(), replacement[found.lastgroup or ""]) for found in _UNCLEAN.finditer(text)]


def composed_edits(text: str) -> list[Edit]:
    """Unicode normalisation form C: one spelling for what looks the same.

    Not form KC, which would make "x²" "x2", "①" "1" and full-width marks half-width.
    """
    if unicodedata.is_normalized("NFC", text):
        return []
    edits: list[Edit] = []
    start = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or _parts_from_before(text, place):
            composed = unicodedata.normalize("NFC", text[start:place])
            if composed != text[start:place]:
                edits.append(Edit(start, place, composed))
            start = place
    return edits


def _parts_from_before(text: str, place: int) -> bool:
    """Whether what begins at `place` neither combines with the character before nor reorders with it."""
    pair = text[place - 1 : place + 1]
    if unicodedata.combining(pair[1]):
        return False
    one, other = (unicodedata.normalize("NFC", character) for character in pair)
    return unicodedata.normalize("NFC", pair) == one + other and not unicodedata.combining(other[0])


def outer_space_edits(text: str) -> list[Edit]:
    """White space at both ends removed."""
    return [Edit(*found.span(), "") for found in _OUTER_SPACE.finditer(text)]


def mask_edits(text: str) -> list[Edit]:
    """Personal data replaced by its kind, as `core.privacy.mask` does."""
    return [Edit(item.span.start, item.span.end, f"[{item.kind.upper()}]") for item in find_personal_data(text)]


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """`text` after `edits`, which are in order and do not overlap."""
    pieces: list[str] = []
    position = 0
    for edit in edits:
        pieces += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join([*pieces, text[position:]])


def move_spans(spans: Sequence[LabelledSpan], edits: Sequence[Edit]) -> tuple[LabelledSpan, ...]:
    """Spans after `edits`; one that begins or ends inside an edit is widened to all of it.

    Raises:
        InputError: nothing is left of a span.
    """
    starts = [edit.start for edit in edits]
    gained = [0]  # characters gained by the first n edits
    for edit in edits:
        gained.append(gained[-1] + len(edit.text) - (edit.end - edit.start))

    def moved(offset: int, *, end: bool) -> int:
        count = bisect_right(starts, offset - 1 if end else offset)
        if not count or offset >= edits[count - 1].end:
            return offset + gained[count]
        edit = edits[count - 1]
        if not end and offset == edit.start:
            return offset + gained[count - 1]
        return edit.start + gained[count - 1] + (len(edit.text) if end else 0)

    result = []
    for span in spans:
        start, stop = moved(span.start, end=False), moved(span.end, end=True)
        if start >= stop:
            raise InputError(f"nothing is left of the span [{span.start}, {span.end}) '{span.label}'")
        result.append(LabelledSpan(start, stop, span.label))
    return tuple(result)


def edit_records(
    records: Sequence[Record], name: str, edits_of: Edits, progress: ProgressCallback | None = None
) -> tuple[list[Record], Step]:
    """Every text of every record edited; a record of which nothing, or nothing of a span, is left is dropped."""
    kept: list[Record] = []
    changed = edited = emptied = 0
    for done, record in enumerate(records, start=1):
        if progress:
            progress(done, len(records))
        texts = record.texts()
        edits = [edits_of(text) for text in texts]
        edited += sum(map(len, edits))
        if not any(edits):
            kept.append(record)
            continue
        changed += 1
        new = tuple(apply_edits(text, changes) for text, changes in zip(texts, edits, strict=True))
        if not all(text.strip() for text in new):
            emptied += 1
            continue
        try:
            kept.append(_with(record, new, edits))
        except InputError:
            emptied += 1
    found = (("edits", edited), ("nothing left", emptied)) if emptied else (("edits", edited),)
    return kept, Step(name, len(records), len(kept), changed, found)


def _with(record: Record, texts: tuple[str, ...], edits: Sequence[Sequence[Edit]]) -> Record:
    if isinstance(record, SpanLabelled):
        return replace(record, text=texts[0], spans=move_spans(record.spans, edits[0]))
    return record.with_texts(texts)


def language_of(text: str) -> str:
    """'zh', 'en' (any language in Latin script counts as it), 'other' scripts, or 'none' without letters."""
    letters = len(_LETTER.findall(text))
    if not letters:
        return "none"
    known = len(_LATIN.findall(text)) + len(_HAN.findall(text))
    return detect_language(text) if 2 * known >= letters else "other"


def record_language(record: Record) -> str:
    """The language of all the record's texts together."""
    return language_of("\n".join(record.texts()))


def filter_languages(records: Sequence[Record], languages: Sequence[str]) -> tuple[list[Record], Step]:
    """Records in one of `languages`."""
    met = [record_language(record) for record in records]
    kept = [record for record, language in zip(records, met, strict=True) if language in languages]
    dropped = Counter(language for language in met if language not in languages)
    return kept, Step("language", len(records), len(kept), found=tuple(sorted(dropped.items())))


def filter_length(
    records: Sequence[Record], min_characters: int, max_characters: int | None
) -> tuple[list[Record], Step]:
    """Records whose texts have together at least `min_characters` and at most `max_characters`."""
    sizes = [sum(map(len, record.texts())) for record in records]
    short = sum(size < min_characters for size in sizes)
    long = sum(max_characters is not None and size > max_characters for size in sizes)
    kept = [
        record
        for record, size in zip(records, sizes, strict=True)
        if size >= min_characters and (max_characters is None or size <= max_characters)
    ]
    return kept, Step("length", len(records), len(kept), found=(("too short", short), ("too long", long)))
