"""Reads the text of a PDF in a process of its own: `python pdf_worker.py MAX_PAGES MAX_MEMORY_BYTES < file`.

Prints one JSON object: `pages` (a text each), or `problem` (`encrypted`, `pages` with their `count`, `broken` with a
`detail`). It imports nothing of ours, so that it starts fast; the caller ends it when its time is up.
"""

from __future__ import annotations

import io
import json
import logging
import sys


def extract(data: bytes, max_pages: int) -> dict[str, object]:
    """The answer for one file."""
    from pypdf import PasswordType, PdfReader
    from pypdf.errors import DependencyError

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted:
        try:
            if reader.decrypt("") == PasswordType.NOT_DECRYPTED:
                return {"problem": "encrypted"}
        except DependencyError:
            return {"problem": "encrypted"}
    count = len(reader.pages)
    if count > max_pages:
        return {"problem": "pages", "count": count}
    return {"pages": [page.extract_text() for page in reader.pages]}


def main() -> None:
    """Read standard input, write standard output; whatever breaks is reported as `broken`."""
    max_pages, max_memory_bytes = int(sys.argv[1]), int(sys.argv[2])
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (max_memory_bytes, max_memory_bytes))
    except (ImportError, ValueError, OSError):
        pass  # no such limit on this platform; the time limit still holds
    logging.disable(logging.CRITICAL)
    try:
        answer = extract(sys.stdin.buffer.read(), max_pages)
    except Exception as error:  # noqa: BLE001 - a parser fed with anything may raise anything; the caller reports it
        answer = {"problem": "broken", "detail": f"{type(error).__name__}: {error}"[:200]}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
