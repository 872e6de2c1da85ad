"""Texts tagged word by word or character by character, one a line, sentences parted by blank lines (CoNLL columns).

Tag schemes read: IOB1, IOB2, BIOES, BILOU, BMES; prefix and label are joined by "-" or "_". As in the CoNLL scorer, an
I without a B before it begins a span of its own (in IOB1 that is the rule), so no tag sequence is wrong, only tags are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from core.errors import InputError
from core.training.data.containers import BadRow
from core.training.data.records import LabelledSpan, SpanLabelled

_DOCUMENT_START = "-DOCSTART-"
_TAG = re.compile(r"(?P<place>[BIMESUL])[-_](?P<label>\S+)")
_CHARACTER_SHARE = 0.95
"""Files with at least this share of one-character tokens are tagged by character. Word-tagged English has about a fifth
of them (its punctuation marks and "a"), character-tagged Chinese all."""


def read_tagged(text: str, source: str, *, split: str | None = None) -> Iterator[SpanLabelled | BadRow]:
    """The sentences of a tagged file.

    Tokens are joined by a space, or by nothing where the file is tagged by character; spans are offsets into the text
    so made. What stands between two `-DOCSTART-` lines is one group.
    """
    glue = "" if _by_character(text) else " "
    document = 0
    held: list[tuple[str, str]] = []
    begins = 1
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if line.startswith(_DOCUMENT_START):
            document += 1
        elif line.strip():
            if not held:
                begins = number
            held.append(_cells(line))
        elif held:
            group = f"{source}#{document}" if document else None
            try:
                yield sentence(held, glue, group=group, split=split)
            except InputError as error:
                yield BadRow(source, f"line {begins}", error.message)
            held = []


def sentence(
    tokens: Sequence[tuple[str, str]], glue: str, *, group: str | None = None, split: str | None = None
) -> SpanLabelled:
    """One text of `(token, tag)` pairs. Raises `InputError` for a tag of no known scheme."""
    spans: list[LabelledSpan] = []
    pieces: list[str] = []
    position = 0
    open_label: str | None = None
    for token, tag in tokens:
        place, label = _parse(tag)
        if pieces:
            position += len(glue)
        end = position + len(token)
        if label is None:
            open_label = None
        elif place in "BSU" or label != open_label:
            spans.append(LabelledSpan(position, end, label))
        else:
            spans[-1] = LabelledSpan(spans[-1].start, end, label)
        if label is not None:
            open_label = None if place in "ESUL" else label
        pieces.append(token)
        position = end
    text = glue.join(pieces)
    if not text.strip():
        raise InputError("the text is blank")
    return SpanLabelled(text=text, spans=tuple(sorted(set(spans))), group=group, split=split)


def _parse(tag: str) -> tuple[str, str | None]:
    if tag == "O":
        return "O", None
    found = _TAG.fullmatch(tag)
    if not found:
        raise InputError(f"the tag '{tag}' is of no known scheme (O, B-…, I-…, E-…, S-…)")
    return found["place"], found["label"]


def _cells(line: str) -> tuple[str, str]:
    """Token and tag: the first and the last column. A line of a tag alone tags a space."""
    cells = line.split()
    return (" ", cells[0]) if len(cells) == 1 else (cells[0], cells[-1])


def _by_character(text: str) -> bool:
    tokens = [line.split(None, 1)[0] for line in text.split("\n") if line.strip() and not line.startswith("-DOC")]
    return sum(len(token) == 1 for token in tokens) >= _CHARACTER_SHARE * len(tokens)
