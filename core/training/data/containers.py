"""The outer form of a file, told from its content: JSON, JSON lines, comma- or tab-separated, tagged columns, text."""

from __future__ import annotations

import csv
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.config import settings
from core.errors import FileTooLarge, UnreadableFile
from core.files import decode_text, parse_json, read_bytes, strict_json
from core.terminal import line_for_terminal

Container = Literal["json", "jsonl", "csv", "tsv", "columns", "text"]

_TAG = re.compile(r"O|[BIMESUL][-_]\S+")
_SAMPLE_LINES = 200
SHOWN_CHARACTERS = 200
"""Of a text from a file that stands in a message."""
_SPLIT_KEYS = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation"}
_SPLIT_KEYS |= {"dev": "validation", "develop": "validation", "test": "test"}


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be used: where it is ("line 12") and why, as one line for a terminal, not without end."""

    source: str
    place: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", line_for_terminal(self.reason, SHOWN_CHARACTERS))


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it is, its values by field name, and the split its surroundings state."""

    place: str
    values: dict[str, Any]
    split: str | None = None


def known_split(name: str) -> str | None:
    """'train', 'validation' or 'test' for the names in use for them ("dev", "val", …), else None."""
    return _SPLIT_KEYS.get(name.strip().lower())


def read_text(path: Path) -> tuple[str, bytes]:
    """The text of a file, unpacked if it is gzipped, and the file's own bytes.

    Raises:
        UnreadableFile: missing, empty, binary, broken.
        FileTooLarge: the file, or what it unpacks to, is over the limit for uploads.
    """
    limit = settings().max_upload_bytes
    data = read_bytes(path, max_bytes=limit)
    content = _unzipped(data, path.name, limit) if data.startswith(b"\x1f\x8b") else data
    return decode_text(content, path.name), data


def _unzipped(data: bytes, name: str, limit: int) -> bytes:
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = stream.decompress(data, limit + 1)
    except zlib.error as error:
        raise UnreadableFile(f"'{name}' is a broken gzip archive: {error}.", hint="Pack it again.") from error
    if len(content) > limit:
        raise FileTooLarge(
            f"'{name}' unpacks to more than {limit / 2**20:.0f} MiB.",
            hint="Split the file, or raise TRIVIUM_MAX_UPLOAD_MB.",
        )
    if not stream.eof or stream.unused_data:
        raise UnreadableFile(f"'{name}' is a gzip archive that ends early or has several parts.", hint="Pack it again.")
    return content


def detect_container(text: str, name: str) -> Container:
    """The outer form of `text`; `name` is asked only whether a table is meant (`.csv`, `.tsv`)."""
    stripped = text.lstrip()
    if stripped.startswith(("{", "[")):
        return "json" if _is_json(text) else "jsonl"
    if _is_tagged(text):
        return "columns"
    header = stripped.split("\n", 1)[0]
    suffixes = Path(name.lower().removesuffix(".gz")).suffix
    if "\t" in header and (suffixes in (".tsv", ".csv") or _is_header(header.split("\t"))):
        return "tsv"
    if suffixes == ".csv" or ("," in header and _is_header(next(csv.reader([header])))):
        return "csv"
    return "text"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    except RecursionError as error:
        raise UnreadableFile("The JSON is nested too deeply.", hint="Flatten it.") from error
    return "\n" in text.strip() or text.lstrip().startswith("[")


def _is_tagged(text: str) -> bool:
    """Whether the first lines end in tags and one of them begins a span."""
    lines = [line.split() for line in text[:100_000].split("\n")[:_SAMPLE_LINES]]
    filled = [line for line in lines if line and line[0] != "-DOCSTART-"]
    tags = [line[-1] for line in filled if len(line) > 1 or line[0] == "O"]
    return len(tags) >= 2 and len(tags) == len(filled) and all(_TAG.fullmatch(tag) for tag in tags)


def _is_header(names: list[str]) -> bool:
    from core.training.data.forms import FIELD_NAMES

    return any(name.strip().lower() in FIELD_NAMES for name in names)


def rows_of(text: str, container: Container, source: str) -> Iterator[Row | BadRow]:
    """The rows of a file; those that cannot be read come as `BadRow`."""
    if container == "jsonl":
        return _json_lines(text, source)
    if container == "json":
        return _json_items(parse_json(text, source), source)
    if container in ("csv", "tsv"):
        return _table(text, "\t" if container == "tsv" else ",", source)
    return _paragraphs(text)


def _json_lines(text: str, source: str) -> Iterator[Row | BadRow]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            values = strict_json(line)
        except ValueError as error:
            yield BadRow(source, place, f"not JSON: {error}")
        else:
            if isinstance(values, dict):
                yield Row(place, values)
            else:
                yield BadRow(source, place, "not a JSON object")


def _json_items(content: Any, source: str) -> Iterator[Row | BadRow]:
    if isinstance(content, dict):
        parts = [(key, items) for key, items in content.items() if known_split(key) and isinstance(items, list)]
        if not parts:
            raise UnreadableFile(
                f"'{source}' is one JSON object, not a list of rows.",
                hint="Give a list, JSON lines, or an object with the keys train, validation and test.",
            )
    else:
        parts = [("", content)]
    for key, items in parts:
        for number, values in enumerate(items, start=1):
            place = f"item {number}" + (f" of '{key}'" if key else "")
            if isinstance(values, dict):
                yield Row(place, values, known_split(key))
            else:
                yield BadRow(source, place, "not a JSON object")


def _table(text: str, delimiter: str, source: str) -> Iterator[Row | BadRow]:
    csv.field_size_limit(settings().max_upload_bytes)  # the file as a whole is bounded already
    if delimiter == ",":
        reader = csv.reader(io.StringIO(text), strict=True)
    else:
        reader = csv.reader(io.StringIO(text), delimiter=delimiter, quoting=csv.QUOTE_NONE)
    header: list[str] = []
    begins = 1
    while True:
        place = f"line {begins}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(source, place, f"not a row of a table: {error}")
            begins = reader.line_num + 1
            continue
        begins = reader.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        if not header:
            header = [cell.strip() for cell in cells]
            _check_header(header, source)
        elif len(cells) != len(header):
            yield BadRow(source, place, f"{len(cells)} cells, but the table has {len(header)} columns")
        else:
            yield Row(place, dict(zip(header, cells, strict=True)))


def _check_header(header: list[str], source: str) -> None:
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise UnreadableFile(
            f"'{source}' has several columns named '{repeated[0]}'.", hint="Give each column its own name."
        )


def _paragraphs(text: str) -> Iterator[Row | BadRow]:
    """Paragraphs parted by blank lines; the lines themselves where there is no blank line."""
    blank_lines = re.search(r"\S[^\S\n]*\n[^\S\n]*\n", text) is not None
    held: list[str] = []
    begins = 1
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if line.strip():
            if not held:
                begins = number
            held.append(line.rstrip())
        if held and (not line.strip() or not blank_lines):
            yield Row(f"line {begins}", {"text": "\n".join(held)})
            held = []
