"""Past questions from a file: CSV, TSV, JSON lines or plain text. Personal data is masked on the way in.

Nothing of the file is kept but masked questions, at most `MAX_QUESTIONS` of them; what was left out is counted.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePath
from typing import Any

from core.errors import InputError, UnreadableFile
from core.files import decode_text
from core.privacy import mask, without_masks

MAX_QUESTIONS = 2_000
MAX_CHARACTERS = 500
KINDS = ("csv", "tsv", "jsonl", "txt")
_NAMES = (
    *("question", "text", "utterance", "message", "query", "content", "title", "subject", "body"),
    *("问题", "提问", "内容", "文本", "消息", "话语", "咨询内容", "客户问题", "用户问题", "标题"),
)
_DELIMITERS = ",;\t|"
_READ_CHARACTERS = 4 * MAX_CHARACTERS
_LONGEST_NUMBER = 80
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, turns of the writing direction, and halves of characters that JSON can smuggle in."""
_SHOWN_NAMES = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """Past questions, masked.

    Attributes:
        questions: in the order of the file; equal ones as often as they were asked.
        column: where they stood; "" in plain text.
        masked: how many had personal data.
        empty: entries without any words.
        cut: entries of more than `MAX_CHARACTERS` characters, of which the beginning is taken.
        left_out: entries beyond `MAX_QUESTIONS`.
    """

    questions: tuple[str, ...]
    column: str
    masked: int
    empty: int
    cut: int
    left_out: int


def read_asked(data: bytes, name: str, column: str | None = None) -> Asked:
    """The questions in a file; its ending says which kind it is.

    Args:
        column: name of the column (CSV, TSV) or key (JSON lines); found by its name where None.

    Raises:
        UnreadableFile: binary content, an unknown encoding, broken CSV or JSON, or no question at all.
        InputError: another kind of file, or the column is not there or not clear.
    """
    kind = PurePath(name).suffix.lower().lstrip(".")
    if kind not in KINDS:
        raise InputError(f"'{name}' is none of {', '.join(KINDS)}.", hint="Save the questions as CSV or text.")
    text = decode_text(data, name)
    if kind == "txt":
        return _masked(text.splitlines(), "", name)
    if kind == "jsonl":
        return _from_records(text, name, column)
    return _from_table(text, name, column, "\t" if kind == "tsv" else None)


def _from_table(text: str, name: str, column: str | None, delimiter: str | None) -> Asked:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or _delimiter(text))
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if len(header) == 1 and column is None and header[0].lower() not in _NAMES:
            rows: Iterable[list[str]] = chain([header], reader)  # a single column without a name
            return _masked((row[0] if row else "" for row in rows), "", name)
        chosen = _choose(header, column, name)
        at = header.index(chosen)
        return _masked((row[at] if at < len(row) else "" for row in reader), chosen, name)
    except csv.Error as error:
        raise UnreadableFile(f"'{name}' is not a readable table: {error}.", hint="Save it again as CSV.") from error


def _from_records(text: str, name: str, column: str | None) -> Asked:
    rows = _records(text, name)
    first = next(rows, None)
    if isinstance(first, str):
        return _masked((row if isinstance(row, str) else "" for row in chain([first], rows)), "", name)
    if not isinstance(first, dict):
        raise UnreadableFile(f"'{name}' does not begin with a JSON object or string.", hint="Write one object a line.")
    chosen = _choose([key for key, value in first.items() if isinstance(value, str)], column, name)
    found = (row.get(chosen, "") if isinstance(row, dict) else "" for row in chain([first], rows))
    return _masked((value if isinstance(value, str) else "" for value in found), chosen, name)


def _records(text: str, name: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UnreadableFile(
                    f"Line {number} of '{name}' is not JSON.", hint="Write one JSON object a line."
                ) from error


def _choose(names: list[str], wanted: str | None, file: str) -> str:
    shown = ", ".join(f"'{name[:40]}'" for name in names[:_SHOWN_NAMES]) or "none"
    if wanted is not None:
        if wanted in names:
            return wanted
        raise InputError(f"'{file}' has no column '{wanted}'.", hint=f"Its columns: {shown}.")
    known = {name.lower(): name for name in reversed(names)}
    found = next((known[name] for name in _NAMES if name in known), None)
    if found is None and len(names) == 1:
        return names[0]
    if found is None:
        raise InputError(f"It is not clear which column of '{file}' has the questions: {shown}.", hint="Name it.")
    return found


def _masked(entries: Iterable[str], column: str, file: str) -> Asked:
    """Entries made single-line, cut and masked. What comes after the last one that fits is only counted."""
    questions: list[str] = []
    masked = empty = cut = 0
    entries = iter(entries)
    for entry in entries:
        whole = mask(" ".join(_ODD.sub(" ", entry[:_READ_CHARACTERS]).split()))
        # Cut after masking, and well before the end of what was read: half a card number would not be found.
        safe = MAX_CHARACTERS if len(entry) <= _READ_CHARACTERS else max(0, len(whole.text) - _LONGEST_NUMBER)
        text = whole.text[: min(MAX_CHARACTERS, safe)].rstrip()
        if not any(character.isalnum() for character in without_masks(text)):
            empty += 1
            continue
        questions.append(text)
        masked += bool(whole.found)
        cut += len(whole.text) > MAX_CHARACTERS or len(entry) > _READ_CHARACTERS
        if len(questions) == MAX_QUESTIONS:
            break
    left_out = sum(1 for entry in entries if entry.strip())
    if not questions:
        raise UnreadableFile(f"There is no question in '{file}'.", hint="Give one question a line or row.")
    return Asked(tuple(questions), column, masked, empty, cut, left_out)


def _delimiter(text: str) -> str:
    """The one that is most frequent in the first line; the comma where there is none."""
    first = text[: text.find("\n")] if "\n" in text else text
    return max(_DELIMITERS, key=first.count)
