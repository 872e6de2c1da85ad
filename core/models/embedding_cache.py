"""Vectors already computed, on disk, by content hash.

A cache is a folder of segments that are written once and never changed: `NAME.npy` (vectors, float32) and
`NAME.keys.npy` (16-byte hashes of the texts), the keys last. So any number of processes may read and add at the same
time: each adds segments of its own, none sees half of one. The folder's name carries the model's fingerprint, so that
another model, number format or input length never answers from it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.files import atomic_path

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

SMALLEST_SEGMENT_ROWS = 16
"""Fewer new texts than this are not worth a file: a query takes milliseconds to embed again."""
LARGEST_CACHE_BYTES = 2 * 1024**3
"""Oldest segments go when the cache of one model grows past this."""


class EmbeddingCache:
    """Vectors of one model. Safe with several processes; not for several threads on one object."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._where: dict[bytes, tuple[str, int]] = {}  # hash -> segment, row
        self._vectors: dict[str, Vectors] = {}
        self._seen: set[str] = set()

    def get(self, texts: Sequence[str]) -> dict[str, Vectors]:
        """Vectors of those texts that are known."""
        self._read_new_segments()
        found: dict[str, Vectors] = {}
        for text in texts:
            place = self._where.get(_key(text))
            if place is not None:
                segment, row = place
                found[text] = self._vectors[segment][row]
        return found

    def put(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Remember `vectors`, one row a text. Few texts are let go."""
        import numpy as np

        if len(texts) < SMALLEST_SEGMENT_ROWS:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        name = uuid.uuid4().hex
        keys = np.frombuffer(b"".join(_key(text) for text in texts), dtype=np.uint8).reshape(len(texts), -1)
        for path, array in ((f"{name}.npy", vectors), (f"{name}.keys.npy", keys)):
            with atomic_path(self._folder / path) as temporary, temporary.open("wb") as stream:
                np.save(stream, array, allow_pickle=False)
        self._forget_oldest()

    def _read_new_segments(self) -> None:
        import numpy as np

        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob("*.keys.npy")):
            name = path.name.removesuffix(".keys.npy")
            if name in self._seen:
                continue
            # A segment another process removed meanwhile, or one that a crash left unreadable, is computed again.
            with contextlib.suppress(OSError, ValueError, EOFError):
                keys = np.load(path, allow_pickle=False)
                vectors = np.load(self._folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                if len(keys) == len(vectors):
                    self._vectors[name] = vectors
                    self._where.update({row.tobytes(): (name, place) for place, row in enumerate(keys)})
            self._seen.add(name)

    def _forget_oldest(self) -> None:
        segments = [path for path in self._folder.glob("*.npy") if not path.name.endswith(".keys.npy")]
        with contextlib.suppress(FileNotFoundError):
            by_age = sorted((path.stat().st_mtime_ns, path.stat().st_size, path) for path in segments)
            excess = sum(size for _, size, _ in by_age) - LARGEST_CACHE_BYTES
            for _, size, path in by_age:
                if excess <= 0:
                    break
                os.unlink(path.with_suffix("").with_suffix(".keys.npy"))
                os.unlink(path)
                excess -= size


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", errors="surrogatepass"), digest_size=16).digest()
