"""From a name to a folder that can be loaded: catalogue name, hub name, or a path of the user's own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from core.errors import ModelFileMismatch, ModelNotAvailable, UnknownName
from core.files import MEBIBYTE, sha256_of
from core.models.catalogue import CatalogueEntry, Kind, catalogue_entries
from core.models.content import content_digest
from core.models.store import checked_folder, model_dir, models_dir, pull_lock, read_manifest, write_manifest
from core.models.weights import weight_files

_LONGEST_SETTINGS_BYTES = 256 * MEBIBYTE
"""The longest there are, tokenisers of a quarter of a million words, have 35."""


@dataclass(frozen=True, slots=True)
class LocatedModel:
    """A model folder that passed its checks. `entry` is None for what is not in the catalogue.

    `fingerprint` changes with the model's files: caches of what it computed are named by it.
    """

    name: str
    folder: Path
    fingerprint: str
    entry: CatalogueEntry | None = None


def locate(name: str, kind: Kind | None = None) -> LocatedModel:
    """The folder of the model `name`; nothing is fetched.

    Raises:
        UnknownName: not in the catalogue, no path, and not of the form `owner/name`.
        ModelNotAvailable: known but not on this machine, or of another kind, or a folder without safetensors.
        ModelFileMismatch: its files are not the recorded ones.
    """
    entry = catalogue_entries().get(name)
    if entry is not None:
        if kind is not None and entry.kind != kind:
            fitting = [other.name for other in catalogue_entries().values() if other.kind == kind]
            raise ModelNotAvailable(
                f"'{name}' is a model of kind '{entry.kind}', and one of kind '{kind}' is needed.",
                hint=f"Choose one of: {', '.join(fitting)}." if fitting else "Give a hub name or a folder.",
            )
        folder, manifest = checked_folder(name, entry.digest)
        return LocatedModel(name, folder, _digest(manifest.fingerprint), entry)
    path = Path(name.removeprefix("file:")).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return _located_gguf(path)
    if path.is_dir():
        return _located_folder(path)
    if path.is_file():
        raise ModelNotAvailable(
            f"'{path}' is a file, and no GGUF file.", hint="Name a model folder, a .gguf file or a catalogue name."
        )
    hub_name = name.removeprefix("hf:")
    if hub_name.count("/") == 1 and not name.startswith(("file:", ".", "/", "~")):
        folder, manifest = checked_folder(hub_name)
        return LocatedModel(hub_name, folder, _digest(manifest.fingerprint))
    if "/" in name or name.startswith("file:"):
        raise ModelNotAvailable(f"There is no model folder or GGUF file '{path}'.", hint="Check the path.")
    raise UnknownName("model", name, list(catalogue_entries()))


def is_available(name: str) -> bool:
    """Whether `load_…(name)` would find the model on this machine."""
    try:
        locate(name)
    except (UnknownName, ModelNotAvailable, ModelFileMismatch):
        return False
    return True


def _located_folder(path: Path) -> LocatedModel:
    weights = sorted(path.glob("*.safetensors"))
    spacy_pipeline = (path / "config.cfg").is_file()
    if not spacy_pipeline and not (weights and (path / "config.json").is_file()):
        raise ModelNotAvailable(
            f"'{path}' is not a model folder: it needs config.json and *.safetensors.",
            hint="Weights in other formats (.bin, .pt) are not read; convert them to safetensors.",
        )
    _check_settings(path)
    if spacy_pipeline:
        return LocatedModel(str(path), path, content_digest([one for one in sorted(path.rglob("*")) if one.is_file()]))
    return LocatedModel(str(path), path, content_digest([path / "config.json", *weights]))


def _check_settings(path: Path) -> None:
    """What else transformers and spaCy read of a folder that may come from anybody: bounded, and of this folder."""
    for file in sorted(path.rglob("*.json")):
        if file.stat().st_size > _LONGEST_SETTINGS_BYTES:
            raise ModelFileMismatch(
                f"'{file}' has {file.stat().st_size / MEBIBYTE:.0f} MiB; files of settings have at most "
                f"{_LONGEST_SETTINGS_BYTES / MEBIBYTE:.0f}.",
                hint="Take another copy of the model.",
            )
    weight_files(path)


def _located_gguf(path: Path) -> LocatedModel:
    """A GGUF of the user's is converted once, under its own hash."""
    from core.models.gguf_weights import convert_gguf
    from core.models.staging import new_model_folder

    stat = path.stat()
    origin = _digest(f"{path.resolve()}{stat.st_size}{stat.st_mtime_ns}")
    name = f"gguf-{path.stem}-{origin[:12]}"
    with pull_lock(name):
        if read_manifest(model_dir(name)) is None:
            with new_model_folder(models_dir() / name) as folder:
                convert_gguf(path.resolve(), folder)
                write_manifest(folder, name=name, source=f"file:{path.resolve()}", origin=sha256_of(path))
    folder, manifest = checked_folder(name)
    return LocatedModel(str(path), folder, _digest(manifest.fingerprint))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
