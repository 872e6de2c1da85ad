"""PDF: the text layer, page by page, read in a process that can be stopped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from core.errors import FileTooLarge, UnreadableFile
from core.retrieval.formats import pdf_worker
from core.retrieval.formats.parsed import Parsed

MAX_PAGES = 2000
MAX_SECONDS = 60.0
_MAX_MEMORY_BYTES = 3 * 1024**3


def read_pdf(data: bytes, name: str, *, max_pages: int = MAX_PAGES, max_seconds: float = MAX_SECONDS) -> list[Parsed]:
    """The text of the pages, a form feed between them. Pages without text are named in `pages_without_text`.

    Raises:
        UnreadableFile: no PDF, broken, encrypted, without any text layer, or not read within `max_seconds`.
        FileTooLarge: more than `max_pages` pages.
    """
    if b"%PDF-" not in data[:1024]:
        raise UnreadableFile(f"'{name}' is not a PDF document.", hint="Check that the file is what its name says.")
    answer = _ask_worker(data, name, max_pages, max_seconds)
    if "pages" in answer:
        return [_parsed(answer["pages"], name)]
    if answer["problem"] == "encrypted":
        raise UnreadableFile(f"'{name}' is encrypted.", hint="Save a copy without a password.")
    if answer["problem"] == "pages":
        raise FileTooLarge(f"'{name}' has {answer['count']} pages, the limit is {max_pages}.", hint="Split the file.")
    raise UnreadableFile(
        f"'{name}' is a broken PDF ({answer['detail']}).", hint="Open it in a viewer and print it to a new PDF."
    )


def _ask_worker(data: bytes, name: str, max_pages: int, max_seconds: float) -> dict[str, Any]:
    # -P keeps the worker's folder off the import path.
    command = [sys.executable, "-P", str(Path(pdf_worker.__file__)), str(max_pages), str(_MAX_MEMORY_BYTES)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=max_seconds, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise UnreadableFile(
            f"'{name}' was not read within {max_seconds:.0f} s.", hint="Split the file, or save it as plain text."
        ) from error
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.decode("utf-8", "replace").strip().rsplit("\n", 1)[-1][:200]
        answer = {"problem": "broken", "detail": last or f"reader ended with code {done.returncode}"}
    return answer


def _parsed(pages: list[str], name: str) -> Parsed:
    pages = [page.replace("\f", "\n") for page in pages]
    blank = [number for number, page in enumerate(pages, start=1) if not page.strip()]
    if len(blank) == len(pages):
        raise UnreadableFile(
            f"'{name}' has no text layer; its {len(pages)} pages seem to be scans.",
            hint="Run it through text recognition (OCR) first.",
        )
    metadata = {"pages": str(len(pages))}
    if blank:
        metadata["pages_without_text"] = ", ".join(map(str, blank))
    return Parsed("\f".join(pages), metadata=metadata)
