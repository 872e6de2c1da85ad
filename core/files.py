"""Reading what users hand in, and writing so that an interrupted write leaves nothing behind.

Every file from outside passes through `read_bytes` (existence, size, emptiness) and, where text is expected,
`decode_text` (binary content and encodings). Parsers downstream may then assume bounded, decodable input.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import FileTooLarge, UnreadableFile, UnwritableFile

MEBIBYTE = 1024 * 1024
DEFAULT_MAX_BYTES = 25 * MEBIBYTE
OWN_MAX_BYTES = 1024 * MEBIBYTE  # of what a run wrote in its own folder

_JSON_HINT = "Save it as JSON in UTF-8, or take another copy of it."

_MAGIC_KINDS = {
    b"%PDF": "PDF document",
    b"PK\x03\x04": "ZIP archive or Office document",
    b"\x1f\x8b": "gzip archive",
    b"7z\xbc\xaf\x27\x1c": "7z archive",
    b"Rar!": "RAR archive",
    b"\x89PNG": "PNG image",
    b"\xff\xd8\xff": "JPEG image",
    b"\x7fELF": "program",
    b"MZ": "program",
    b"\xd0\xcf\x11\xe0": "legacy Office document",
}


def read_bytes(path: str | Path, *, max_bytes: int = DEFAULT_MAX_BYTES) -> bytes:
    """The content of `path`, checked for existence, size and emptiness.

    Raises:
        UnreadableFile: missing, a folder, empty, or not permitted.
        FileTooLarge: more than `max_bytes`; nothing is read then.
    """
    path = Path(path)
    if not path.exists():
        raise UnreadableFile(f"There is no file '{path}'.", hint="Check the path.")
    if not path.is_file():
        raise UnreadableFile(f"'{path}' is not a file.", hint="Name a single file.")
    check_size(path.stat().st_size, path.name, max_bytes=max_bytes)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"'{path}' cannot be read: {error.strerror}.", hint="Check its permissions.") from error


def check_size(size_bytes: int, name: str, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
    """Refuse an empty or oversized input by its size alone."""
    if size_bytes == 0:
        raise UnreadableFile(f"'{name}' is empty.", hint="Choose a file with content.")
    if size_bytes > max_bytes:
        raise FileTooLarge(
            f"'{name}' has {size_bytes / MEBIBYTE:.1f} MiB, the limit is {max_bytes / MEBIBYTE:.0f} MiB.",
            hint="Split the file, or raise TRIVIUM_MAX_UPLOAD_MB.",
        )


def sniff_binary(data: bytes) -> str | None:
    """What a binary file looks like from its first bytes, or None where it may be text."""
    for magic, kind in _MAGIC_KINDS.items():
        if data.startswith(magic):
            return kind
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16 with a byte-order mark holds NULs and is still text
        return None
    return "binary file" if b"\x00" in data[:8192] else None


def decode_text(data: bytes, name: str) -> str:
    """Text of `data`: UTF-8 (with or without mark), UTF-16 with mark, GB18030, in that order.

    GB18030 accepts many byte strings that are not Chinese, so its result is kept only where it reads as text:
    no control characters or private-use characters, and some Chinese.

    Raises:
        UnreadableFile: binary content, or bytes that fit none of the encodings.
    """
    kind = sniff_binary(data)
    if kind:
        raise UnreadableFile(f"'{name}' is a {kind}, not text.", hint="Save it as plain text, UTF-8.")
    marked_utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    encodings = ("utf-16",) if marked_utf16 else ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "gb18030" or _reads_as_chinese(text):
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise UnreadableFile(f"The encoding of '{name}' is not UTF-8, UTF-16 or GB18030.", hint="Save it as UTF-8.")


def _reads_as_chinese(text: str) -> bool:
    odd = sum(1 for c in text if (ord(c) < 32 and c not in "\t\n\r\f") or "\ue000" <= c <= "\uf8ff" or ord(c) > 0xFFFF)
    common = sum(1 for c in text if "\u4e00" <= c <= "\u9fa5")
    return odd == 0 and common > 0


def read_json(path: str | Path, *, max_bytes: int = DEFAULT_MAX_BYTES) -> Any:
    """What the JSON file `path` says. Raises as `read_bytes` and `parse_json` do."""
    path = Path(path)
    return parse_json(read_bytes(path, max_bytes=max_bytes), str(path))


def read_json_object(path: str | Path, *, max_bytes: int = DEFAULT_MAX_BYTES) -> dict[str, Any]:
    """The same of a file that is to hold an object. Raises `UnreadableFile` for another value, too."""
    found = read_json(path, max_bytes=max_bytes)
    if not isinstance(found, dict):
        raise UnreadableFile(f"'{path}' holds {type(found).__name__}, not an object.", hint=_JSON_HINT)
    return found


def parse_json(text: str | bytes, name: str) -> Any:
    """What JSON from outside says; `name` says in a message what was read, whose size was checked.

    Raises:
        UnreadableFile: where `strict_json` takes it for none.
    """
    try:
        return strict_json(text)
    except ValueError as error:
        raise UnreadableFile(f"'{name}' is not JSON: {error}.", hint=_JSON_HINT) from error


def strict_json(text: str | bytes) -> Any:
    """The value of JSON by the letter of RFC 8259, where NaN and Infinity are none.

    Raises:
        ValueError: no JSON, not in Unicode, nested too deeply, or a number out of range; in a few words.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise ValueError("it is not in UTF-8") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        raise ValueError(f"{error.msg} at {place}") from error


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is too large a number")
    return number


def sha256_of(path: str | Path) -> str:
    """Hex sha256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(4 * MEBIBYTE):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place only if the block ends well.

    Raises `UnwritableFile` where there can be no such file; what the block itself raises goes through.
    """
    path = Path(path)
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with _writing(path):
            temporary.chmod(ordinary_mode())  # mkstemp makes files for the owner alone; a report is for its readers
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnwritableFile(
            f"'{path}' cannot be written: {error.strerror}.", hint="Choose a place where you may make files."
        ) from error


def ordinary_mode() -> int:
    """The permissions the user's umask gives a new file."""
    mask = os.umask(0o077)  # it can only be read by setting it
    os.umask(mask)
    return 0o666 & ~mask


def write_atomic(path: str | Path, content: str | bytes) -> None:
    """Write `content` to `path` in one step: readers see the old file or the new one, never half of it.

    Raises `UnwritableFile`.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with atomic_path(path) as temporary, _writing(Path(path)):
        temporary.write_bytes(data)
