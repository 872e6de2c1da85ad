"""Answers by the hash of what was asked, in a JSON file that is whole at every moment."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from core.errors import UnreadableFile
from core.files import MEBIBYTE, read_bytes, write_atomic

_MOST_BYTES = 1024 * MEBIBYTE


class AnswerCache:
    """Remembers texts, in the file at `path` or, where it is None, for as long as it lives."""

    def __init__(self, path: Path | None) -> None:
        """Raises `UnreadableFile` where the file holds something else."""
        self._path = path
        self._texts: dict[str, str] = {}
        if path is None or not path.exists():
            return
        try:
            raw = json.loads(read_bytes(path, max_bytes=_MOST_BYTES))
        except ValueError as error:
            raise UnreadableFile(f"'{path}' is not a file of answers: {error}.", hint="Delete it.") from error
        if not isinstance(raw, dict) or not all(isinstance(text, str) for text in raw.values()):
            raise UnreadableFile(f"'{path}' is not a file of answers.", hint="Delete it.")
        self._texts = raw

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def __getitem__(self, key: str) -> str:
        return self._texts[key]

    def put(self, answers: Iterable[tuple[str, str]]) -> None:
        """Remember answers, and write the file."""
        self._texts.update(answers)
        if self._path is not None:
            write_atomic(self._path, json.dumps(self._texts, ensure_ascii=False))
