"""Files into documents: picks the reader by the file's kind, walks folders, and reports what cannot be read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from core.config import settings
from core.errors import TriviumError, UnreadableFile
from core.files import check_size, read_bytes
from core.retrieval.formats.docx import read_docx
from core.retrieval.formats.html import read_html
from core.retrieval.formats.markdown import read_markdown, read_text
from core.retrieval.formats.parsed import Parsed
from core.retrieval.formats.pdf import read_pdf
from core.retrieval.formats.sheets import read_csv, read_xlsx
from core.text import Document, detect_language

Reader = Callable[[bytes, str], list[Parsed]]
OnError = Callable[[Path, TriviumError], None]

_READERS: dict[str, tuple[str, Reader]] = {
    ".md": ("markdown", read_markdown),
    ".markdown": ("markdown", read_markdown),
    ".html": ("html", read_html),
    ".htm": ("html", read_html),
    ".xhtml": ("html", read_html),
    ".txt": ("text", read_text),
    ".pdf": ("pdf", read_pdf),
    ".docx": ("docx", read_docx),
    ".csv": ("csv", read_csv),
    ".tsv": ("csv", read_csv),
    ".xlsx": ("xlsx", read_xlsx),
    ".xlsm": ("xlsx", read_xlsx),
}
SUFFIXES = tuple(_READERS)
_SAVE_AS = {
    ".doc": ".docx",
    ".rtf": ".docx",
    ".odt": ".docx",
    ".xls": ".xlsx",
    ".ods": ".xlsx",
    ".ppt": ".pdf",
    ".pptx": ".pdf",
}
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_SHOWN_FAILURES = 20


def load_documents(path: str | Path, *, on_error: OnError | None = None) -> list[Document]:
    """The documents in a file, or in all files of a folder and its subfolders, in the order of their paths.

    A document's id is the `id` of its front matter, else its path inside the folder (the file's name for a single
    file), with `#sheet` for a sheet of a workbook. In folders, hidden files are passed over; links that lead out of
    the folder are not followed and count as unreadable.

    Args:
        on_error: called with each unreadable file of a folder, after which loading goes on. Without it, loading a
            folder with unreadable files raises one error that names them all.

    Raises:
        UnreadableFile: missing, of an unknown kind, encrypted, broken, without text, or in an unknown encoding.
        FileTooLarge: above `max_upload_mb`, or unpacking beyond bounds.
    """
    path = Path(path)
    if not path.is_dir():
        return load_bytes(path.name, _read(path, path.name), source=str(path))
    documents: list[Document] = []
    failures: list[tuple[Path, TriviumError]] = []
    files = _files(path)
    for file in files:
        name = file.relative_to(path).as_posix()
        try:
            _check_inside(file, path)
            documents.extend(load_bytes(name, _read(file, name), source=str(file)))
        except TriviumError as error:
            failures.append((file, error))
            if on_error is not None:
                on_error(file, error)
    if failures and on_error is None:
        raise _failed(path, failures, len(files))
    if not files:
        raise UnreadableFile(f"The folder '{path}' holds no files.", hint=f"Readable kinds: {', '.join(SUFFIXES)}.")
    return documents


def load_bytes(name: str, data: bytes, *, source: str = "") -> list[Document]:
    """The documents in the content of a file called `name`, such as an upload. Raises as `load_documents` does."""
    check_size(len(data), name, max_bytes=settings().max_upload_bytes)
    kind, reader = _reader(name)
    documents = [_document(parsed, name, kind, source or name) for parsed in reader(data, name)]
    if not any(document.text.strip() for document in documents):
        raise UnreadableFile(f"'{name}' holds no text.", hint="Choose a file with text in it.")
    return documents


def _read(path: Path, name: str) -> bytes:
    _reader(name)  # an unknown kind is told before anything is read
    return read_bytes(path, max_bytes=settings().max_upload_bytes)


def _reader(name: str) -> tuple[str, Reader]:
    suffix = Path(name).suffix.lower()
    if suffix in _READERS:
        return _READERS[suffix]
    if suffix in _SAVE_AS:
        raise UnreadableFile(f"'{name}' is of a kind that is not read.", hint=f"Save it as {_SAVE_AS[suffix]}.")
    raise UnreadableFile(f"'{name}' is of no kind that is read.", hint=f"Readable kinds: {', '.join(SUFFIXES)}.")


def _document(parsed: Parsed, name: str, kind: str, source: str) -> Document:
    text = _CONTROLS.sub("", parsed.text).encode("utf-8", "replace").decode("utf-8")
    metadata = {**parsed.metadata, "format": kind}
    declared = metadata.get("language", "").lower().replace("_", "-").split("-")[0]
    if declared not in ("zh", "en"):
        metadata.pop("language", None)
        declared = detect_language(text)
    identifier = metadata.pop("id", "") or (f"{name}#{parsed.part}" if parsed.part else name)
    title = metadata.pop("title", "") or parsed.title or Path(name).stem
    return Document(identifier, text, declared, title, source, metadata)


def _files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for place, folders, names in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        linked = [name for name in folders if (Path(place) / name).is_symlink()]
        found.extend(Path(place) / name for name in [*names, *linked] if not name.startswith("."))
    return sorted(found)


def _check_inside(file: Path, folder: Path) -> None:
    if file.is_symlink() and (file.is_dir() or not file.resolve().is_relative_to(folder.resolve())):
        raise UnreadableFile(f"'{file}' is a link and is not followed.", hint="Put a copy of what it names there.")


def _failed(folder: Path, failures: list[tuple[Path, TriviumError]], count: int) -> UnreadableFile:
    lines = [f"- {file.relative_to(folder)}: {error}" for file, error in failures[:_SHOWN_FAILURES]]
    if len(failures) > _SHOWN_FAILURES:
        lines.append(f"- and {len(failures) - _SHOWN_FAILURES} more")
    return UnreadableFile(
        f"{len(failures)} of the {count} files in '{folder}' cannot be loaded:\n" + "\n".join(lines) + "\n",
        hint="Mend or remove them.",
    )
