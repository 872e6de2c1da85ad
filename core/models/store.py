"""Where models live on disk, and the record that says which bytes they are.

Each pulled model is one folder under `<cache>/models`, put there in a single rename. Its `trivium.json` records every
file's sha256 with its size and modification time. Loading compares size and time, which costs nothing; where the time
differs (a copied cache), the file is hashed again, so a changed file is never read.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from core.config import settings
from core.errors import ModelFileMismatch, ModelNotAvailable
from core.files import sha256_of, write_atomic

MANIFEST = "trivium.json"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file as it was when it was checked."""

    path: str
    sha256: str
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a model folder holds. `origin` is the digest of the catalogue entry, or the source, it was made from."""

    name: str
    source: str
    origin: str
    files: tuple[FileRecord, ...]

    @property
    def fingerprint(self) -> str:
        """Changes with any file's content; names caches of what the model computed."""
        return "".join(sorted(record.sha256 for record in self.files))


def models_dir() -> Path:
    """`<cache>/models`, which may not exist yet."""
    return settings().cache_dir / "models"


def model_dir(name: str) -> Path:
    """The folder of the model called `name`; a hub's `owner/name` becomes one folder."""
    return models_dir() / name.replace("/", "--")


def is_pulled(name: str, origin: str | None = None) -> bool:
    """Whether a complete copy is on disk; of this very `origin` where one is given. No file is read or compared."""
    manifest = read_manifest(model_dir(name))
    return manifest is not None and origin in (None, manifest.origin)


def read_manifest(folder: Path) -> Manifest | None:
    """The record of a model folder, or None where there is none that can be read."""
    try:
        raw = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return Manifest(raw["name"], raw["source"], raw["origin"], tuple(FileRecord(**item) for item in raw["files"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def pulled_models() -> list[Manifest]:
    """The records of all models in the cache, by name."""
    found = [read_manifest(folder) for folder in models_dir().glob("[!.]*")] if models_dir().is_dir() else []
    return sorted((manifest for manifest in found if manifest), key=lambda manifest: manifest.name)


def write_manifest(folder: Path, *, name: str, source: str, origin: str) -> Manifest:
    """Hash every file of `folder` and record it."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    manifest = Manifest(name, source, origin, tuple(_record(folder, path) for path in paths))
    _save(folder, manifest)
    return manifest


def checked_folder(name: str, origin: str | None = None) -> tuple[Path, Manifest]:
    """The folder of a pulled model, its files being the recorded ones.

    Raises:
        ModelNotAvailable: not pulled, or pulled from another origin than the catalogue now names.
        ModelFileMismatch: a file is missing or differs from its record.
    """
    folder = model_dir(name)
    manifest = read_manifest(folder)
    if manifest is None:
        raise ModelNotAvailable(
            f"The model '{name}' is not on this machine.", hint=f"Fetch it with: trivium models pull {name}"
        )
    if origin is not None and manifest.origin != origin and not manifest.source.startswith("hf:"):
        raise ModelNotAvailable(
            f"The copy of '{name}' in '{folder}' is an older one than the catalogue names.",
            hint=f"Fetch it again with: trivium models pull {name} --force",
        )
    checked = tuple(_checked(folder, record, name) for record in manifest.files)
    if checked != manifest.files:
        manifest = Manifest(manifest.name, manifest.source, manifest.origin, checked)
        _save(folder, manifest)
    return folder, manifest


@contextmanager
def pull_lock(name: str) -> Iterator[None]:
    """Keeps two processes from fetching the same model at once; the second waits."""
    models_dir().mkdir(parents=True, exist_ok=True)
    with (models_dir() / f".{model_dir(name).name}.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _checked(folder: Path, record: FileRecord, name: str) -> FileRecord:
    path = folder / record.path
    mend = f"Fetch it again with: trivium models pull {name} --force"
    if not path.is_file():
        raise ModelFileMismatch(f"'{record.path}' of the model '{name}' is missing from '{folder}'.", hint=mend)
    stat = path.stat()
    if stat.st_size == record.size_bytes and stat.st_mtime_ns == record.modified_ns:
        return record
    found = _record(folder, path)
    if found.sha256 != record.sha256:
        raise ModelFileMismatch(
            f"'{record.path}' of the model '{name}' has sha256 {found.sha256[:12]}…, its record says "
            f"{record.sha256[:12]}…; it may be incomplete or changed.",
            hint=mend,
        )
    return found


def _record(folder: Path, path: Path) -> FileRecord:
    stat = path.stat()
    return FileRecord(path.relative_to(folder).as_posix(), sha256_of(path), stat.st_size, stat.st_mtime_ns)


def _save(folder: Path, manifest: Manifest) -> None:
    write_atomic(folder / MANIFEST, json.dumps(asdict(manifest), ensure_ascii=False, indent=1))
