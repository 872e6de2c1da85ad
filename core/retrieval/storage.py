"""An index on disk: one folder a generation, and a manifest that names the one in force.

    handbook.index/
        manifest.json                     what is in force, with what it was built
        generation-<id>/passages.jsonl    one passage a line
        generation-<id>/vectors.npy       float32, a row for each wording
        generation-<id>/lexical/          BM25 arrays and vocabulary

A save writes a whole new generation and then replaces the manifest in one step, so a reader sees the old index or the
new one and an interrupted save leaves the old. Nothing is pickled.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import InputError, UnreadableFile
from core.files import sha256_of, write_atomic
from core.retrieval.dense import DenseIndex
from core.retrieval.lexical import LexicalIndex
from core.retrieval.passages import Passage
from core.retrieval.snapshot import Snapshot, assemble, row_offsets
from core.text import Span
from core.text.tokens import TOKENS_VERSION

if TYPE_CHECKING:
    import numpy as np

FORMAT = 2
_MANIFEST = "manifest.json"
_PREFIX = "generation-"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in force. `probe` is the vector of a fixed text, by which another embedder of the same name is
    told; `spread` is that of the embedder (`core.retrieval.dense.measure_spread`).
    """

    format: int
    generation: str
    embedder: str
    dimension: int
    probe: list[float]
    spread: float
    tokens_version: int
    documents: dict[str, str]
    sha256: dict[str, str]


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of the index in `folder`; None where nothing is there yet.

    Raises:
        InputError: `folder` holds something else, or an index of another format.
        UnreadableFile: the manifest is damaged.
    """
    path = folder / _MANIFEST
    if not path.exists():
        if folder.is_file() or (folder.is_dir() and any(not _is_ours(entry) for entry in folder.iterdir())):
            raise InputError(
                f"'{folder}' is there and is no index.", hint="Name a folder that is new, empty or an index."
            )
        return None
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["format"] != FORMAT:
            raise InputError(
                f"The index '{folder}' has format {raw['format']}, this version reads format {FORMAT}.",
                hint="Delete the folder and index the documents again.",
            )
        return Manifest(**raw)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, _MANIFEST) from error


def load_snapshot(folder: Path, manifest: Manifest) -> Snapshot:
    """The generation that `manifest` names, every file checked against its hash. Raises `UnreadableFile`."""
    import numpy as np

    place = folder / manifest.generation
    for name, digest in manifest.sha256.items():
        if not (place / name).is_file() or sha256_of(place / name) != digest:
            raise _damaged(folder, f"{manifest.generation}/{name}")
    with (place / "passages.jsonl").open(encoding="utf-8", errors="surrogatepass") as stream:
        passages = tuple(_passage(json.loads(line)) for line in stream)
    vectors: np.ndarray = np.load(place / "vectors.npy", allow_pickle=False)
    if manifest.tokens_version != TOKENS_VERSION:
        return assemble(manifest.documents, passages, vectors)
    lexical = LexicalIndex.load(place / "lexical", len(passages))
    return Snapshot(manifest.documents, passages, row_offsets(passages), DenseIndex(vectors), lexical)


def save_snapshot(folder: Path, snapshot: Snapshot, *, embedder: str, probe: list[float], spread: float) -> Manifest:
    """Write `snapshot` as a new generation, put it in force, and drop the earlier ones."""
    import numpy as np

    generation = f"{_PREFIX}{secrets.token_hex(8)}"
    place = folder / generation
    place.mkdir(parents=True)
    try:
        lines = (json.dumps(asdict(passage), ensure_ascii=False) for passage in snapshot.passages)
        text = "".join(f"{line}\n" for line in lines)
        (place / "passages.jsonl").write_text(text, encoding="utf-8", errors="surrogatepass", newline="\n")
        vectors = snapshot.dense.vectors
        np.save(place / "vectors.npy", vectors, allow_pickle=False)
        snapshot.lexical.save(place / "lexical")
        files = sorted(path for path in place.rglob("*") if path.is_file())
        manifest = Manifest(
            format=FORMAT,
            generation=generation,
            embedder=embedder,
            dimension=int(vectors.shape[1]),
            probe=probe,
            spread=spread,
            tokens_version=TOKENS_VERSION,
            documents=dict(snapshot.documents),
            sha256={path.relative_to(place).as_posix(): sha256_of(path) for path in files},
        )
        write_atomic(folder / _MANIFEST, json.dumps(asdict(manifest), ensure_ascii=False))
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    for entry in folder.iterdir():
        if entry.name.startswith(_PREFIX) and entry.name != generation:
            shutil.rmtree(entry, ignore_errors=True)
    return manifest


@contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Held while an index is changed, so that two processes do not lose each other's documents; the second waits."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _is_ours(entry: Path) -> bool:
    return entry.name == ".lock" or entry.name.startswith((_PREFIX, f".{_MANIFEST}."))


def _passage(raw: dict[str, object]) -> Passage:
    fields = dict(raw)
    fields["span"] = Span(**fields["span"])  # type: ignore[arg-type]
    fields["heading_path"] = tuple(fields["heading_path"])  # type: ignore[arg-type]
    fields["questions"] = tuple(fields["questions"])  # type: ignore[arg-type]
    return Passage(**fields)  # type: ignore[arg-type]


def _damaged(folder: Path, name: str) -> UnreadableFile:
    return UnreadableFile(
        f"'{name}' of the index '{folder}' is missing or damaged.",
        hint="Delete the folder and index the documents again.",
    )
