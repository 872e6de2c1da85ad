"""The registry of public data sets: what each is, under which licence, and where its files are on this machine.

Entries are JSON files in `sets/`. Files are looked for in the folder named by `TRIVIUM_DATA_DIR`, then in the cache;
they are downloaded only by `trivium data pull`, and only where a set has a public address of its own. Every file
is compared with its recorded sha256 before it is handed out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from core.config import settings
from core.errors import DataMismatch, DataNotAvailable, UnknownName
from core.files import sha256_of

_SETS = Path(__file__).parent / "sets"


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of a set: its path inside the set's folder, size and hash."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """A registered public data set.

    Attributes:
        folder: path below the data folder, e.g. "customer_service/banking77".
        download: public address the file paths are appended to, or None where there is none to name.
    """

    name: str
    title: str
    folder: str
    languages: tuple[str, ...]
    licence: str
    home: str
    download: str | None
    files: Mapping[str, DataFile]

    def path(self) -> Path:
        """The set's folder, in the data folder or the cache. Raises `DataNotAvailable`."""
        for root in data_roots():
            candidate = root / self.folder
            if all((candidate / name).is_file() for name in self.files):
                return candidate
        raise DataNotAvailable(
            f"The data set '{self.name}' is not on this machine.",
            hint=(
                f"Fetch it with `trivium data pull {self.name}`."
                if self.download
                else f"Get it from {self.home}, put its files under '{self.folder}' in a folder of your choice and "
                "name that folder in TRIVIUM_DATA_DIR."
            ),
        )

    def is_available(self) -> bool:
        """Whether all files are on this machine; their content is checked when they are read."""
        return any(all((root / self.folder / name).is_file() for name in self.files) for root in data_roots())

    def file(self, name: str) -> Path:
        """One file of the set, its sha256 checked.

        Raises:
            UnknownName: the set has no such file.
            DataNotAvailable: the set is not on this machine.
            DataMismatch: the file differs from the registered one.
        """
        if name not in self.files:
            raise UnknownName(f"file in '{self.name}'", name, list(self.files))
        path = self.path() / name
        _check(path, self.files[name].sha256, self.name)
        return path

    def verify(self) -> int:
        """Check every file; returns how many. Raises `DataNotAvailable` or `DataMismatch`."""
        for name in self.files:
            self.file(name)
        return len(self.files)

    @property
    def sha256(self) -> str:
        """One hash for the whole set: of its files' paths and hashes, sorted."""
        lines = sorted(f"{name} {entry.sha256}\n" for name, entry in self.files.items())
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self.files.values())


@cache
def _check(path: Path, expected: str, name: str) -> None:
    if sha256_of(path) != expected:
        raise DataMismatch(
            f"'{path}' is not the registered file of '{name}': its sha256 differs.",
            hint=f"Replace it, or run `trivium data pull {name} --force`.",
        )


def data_roots() -> tuple[Path, ...]:
    """Where sets are looked for, in order."""
    configured = settings().data_dir
    cached = settings().cache_dir / "data"
    return (configured.expanduser(), cached) if configured else (cached,)


@cache
def datasets() -> Mapping[str, Dataset]:
    """All registered sets by name."""
    return {entry.name: entry for entry in map(_read, sorted(_SETS.glob("*.json")))}


def dataset(name: str) -> Dataset:
    """The set called `name`. Raises `UnknownName`."""
    if name not in datasets():
        raise UnknownName("data set", name, list(datasets()))
    return datasets()[name]


def _read(path: Path) -> Dataset:
    raw = json.loads(path.read_text(encoding="utf-8"))
    files = {name: DataFile(name, entry["bytes"], entry["sha256"]) for name, entry in raw["files"].items()}
    return Dataset(
        name=raw["name"],
        title=raw["title"],
        folder=raw["folder"],
        languages=tuple(raw["languages"]),
        licence=raw["licence"],
        home=raw["home"],
        download=raw["download"],
        files=files,
    )
