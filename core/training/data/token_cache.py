"""Token ids kept on disk and mapped into memory, by what they were made of.

A folder `tokens/<key>` of the cache holds `ids.npy`, `learnt.npy`, `offsets.npy` and `about.json`; the key is a hash of
the records' ids, the tokenizer's content and every setting, so a changed record, tokenizer or template makes another
folder. It appears in one rename: two processes may make the same one at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from core.config import settings
from core.errors import DataMismatch
from core.training.data.chat_tokens import TokenCounts, TokenSequences

_VERSION = 1


class Ragged(Sequence[npt.NDArray[Any]]):
    """Arrays of different lengths in one flat one."""

    def __init__(self, flat: npt.NDArray[Any], offsets: npt.NDArray[np.int64]) -> None:
        self.flat = flat
        self.offsets = offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> npt.NDArray[Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[npt.NDArray[Any]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        return self.flat[self.offsets[place] : self.offsets[place + 1]]


def cache_key(record_ids: Iterable[str], tokenizer: Any, options: Mapping[str, Any]) -> str:
    """A hash of the records, the tokenizer (vocabulary, rules, template) and `options` (plain JSON values)."""
    digest = hashlib.sha256(json.dumps([_VERSION, dict(options)], sort_keys=True).encode())
    digest.update(tokenizer_fingerprint(tokenizer).encode())
    for record_id in record_ids:
        digest.update(record_id.encode())
    return digest.hexdigest()[:32]


def tokenizer_fingerprint(tokenizer: Any) -> str:
    """A hash of all that decides which ids a text gets."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        rules = {"vocabulary": tokenizer.get_vocab()}
    else:  # what the last call asked for (padding, truncation) is no part of the tokenizer
        rules = {**json.loads(backend.to_str()), "padding": None, "truncation": None}
    content = json.dumps(
        [rules, str(tokenizer.chat_template), tokenizer.special_tokens_map], default=str, sort_keys=True
    )
    return hashlib.sha256(content.encode("utf-8", errors="surrogatepass")).hexdigest()


def cached_sequences(key: str, make: Callable[[], TokenSequences]) -> TokenSequences:
    """The sequences kept under `key`, made by `make` and kept if there are none; their arrays are mapped, read-only."""
    folder = settings().cache_dir / "tokens" / key
    if not (folder / "about.json").is_file():
        _keep(folder, make())
    return _read(folder)


def _keep(folder: Path, sequences: TokenSequences) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        offsets = np.cumsum([0, *(len(row) for row in sequences.ids)], dtype=np.int64)
        np.save(fresh / "ids.npy", np.concatenate(sequences.ids).astype(np.int32))
        np.save(fresh / "learnt.npy", np.concatenate(sequences.learnt).astype(bool))
        np.save(fresh / "offsets.npy", offsets)
        about = {"version": _VERSION, "counts": asdict(sequences.counts), "records": list(sequences.records)}
        (fresh / "about.json").write_text(json.dumps(about), encoding="utf-8")
        try:
            os.rename(fresh, folder)
        except OSError:
            if not (folder / "about.json").is_file():
                raise
            # another process was first; what it made is the same
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _read(folder: Path) -> TokenSequences:
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    offsets = np.load(folder / "offsets.npy")
    ids = np.load(folder / "ids.npy", mmap_mode="r")
    learnt = np.load(folder / "learnt.npy", mmap_mode="r")
    if not len(ids) == len(learnt) == offsets[-1]:
        raise DataMismatch(f"The kept tokens in '{folder}' are damaged.", hint="Delete that folder; it is made again.")
    return TokenSequences(
        Ragged(ids, offsets), Ragged(learnt, offsets), about["records"], TokenCounts(**about["counts"])
    )
