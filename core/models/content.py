"""What is in a folder of the user's, as one hash: the same model in another place, or copied, is the same model.

Weights are read once: the hash of each file is remembered with the file's path, size and time, and computed again when
one of them changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from core.config import settings
from core.files import sha256_of, write_atomic


def content_digest(files: Sequence[Path]) -> str:
    """Hex sha256 over the names and contents of `files`."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{_remembered_sha256(file)}\n".encode())
    return digest.hexdigest()


def _remembered_sha256(file: Path) -> str:
    stat = file.stat()
    mark = f"{file.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    note = settings().cache_dir / "content-hashes" / f"{hashlib.sha256(mark.encode()).hexdigest()}.json"
    if note.is_file():
        sha256: str = json.loads(note.read_text(encoding="utf-8"))["sha256"]
        return sha256
    sha256 = sha256_of(file)
    note.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(note, json.dumps({"file": str(file), "sha256": sha256}))
    return sha256
