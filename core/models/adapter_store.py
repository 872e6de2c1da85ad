"""Named adapters, under `<cache>/adapters`: what a name stands for changes in one rename.

Each version is a folder of its own that never changes; the name is a link to one of them, and `NAME.previous` a link to
the one before. So a reader has the old adapter or the new one, whole, whenever the writer is killed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.config import settings
from core.errors import InputError, UnknownName
from core.models.adapters import CONFIG, WEIGHTS, Adapter, card_json, is_adapter_name, write_adapter

PREVIOUS = ".previous"


def adapters_dir() -> Path:
    """`<cache>/adapters`, which may not exist yet."""
    return settings().cache_dir / "adapters"


def named_folder(name: str) -> Path | None:
    """The folder that `name` or `name.previous` stands for now; None if there is no such adapter."""
    if not is_adapter_name(name.removesuffix(PREVIOUS)):
        return None
    link = adapters_dir() / name
    return link.resolve() if link.is_dir() else None


def adapter_names() -> list[str]:
    """The names of the adapters that are here, in order."""
    return sorted(path.name for path in adapters_dir().glob("*") if is_adapter_name(path.name) and path.is_dir())


def promote_adapter(adapter: Adapter, name: str | None = None) -> Adapter:
    """Let `name` (default: the card's) stand for a copy of `adapter`; what it stood for becomes `name.previous`.

    Promoting what the name stands for already changes nothing. Going back is
    `promote_adapter(read_adapter("name.previous"), "name")`.

    Raises:
        InputError: the name cannot be used.
        ModelFileMismatch: a file of `adapter` is not the one its card names.
    """
    name = name or adapter.name
    if not is_adapter_name(name):
        raise InputError(f"'{name}' cannot be an adapter's name.", hint="Use letters, digits, '-' and '_'.")
    card = adapter.card.model_copy(update={"name": name})
    content = {file: adapter.read(file) for file in (CONFIG, WEIGHTS)}
    version = hashlib.sha256(card_json(card).encode()).hexdigest()[:16]  # the card names the other files' hashes
    folder = adapters_dir() / f".{name}-{version}"
    with _lock(name):
        if not folder.is_dir():
            write_adapter(folder, card, content)
        current = named_folder(name)
        if current is not None and current.name != folder.name:
            _point(f"{name}{PREVIOUS}", current.name)
        _point(name, folder.name)
        _clear(name)
    return Adapter(folder.resolve(), card)


def remove_adapter(name: str) -> None:
    """Delete the adapter `name` and its previous version. Raises `UnknownName`."""
    if not is_adapter_name(name) or not os.path.lexists(adapters_dir() / name):
        raise UnknownName("adapter", name, adapter_names())
    with _lock(name):
        for link in (name, f"{name}{PREVIOUS}"):
            (adapters_dir() / link).unlink(missing_ok=True)
        _clear(name)


def _point(link: str, target: str) -> None:
    """Let `link` lead to the folder `target` beside it, in one step."""
    fresh = adapters_dir() / f".{link}.link"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    os.replace(fresh, adapters_dir() / link)


def _clear(name: str) -> None:
    """Remove versions of `name` that nothing leads to any more."""
    used = {folder.name for link in (name, f"{name}{PREVIOUS}") if (folder := named_folder(link))}
    for folder in adapters_dir().glob(f".{name}-*"):
        version = folder.name.removeprefix(f".{name}-")
        if folder.name not in used and re.fullmatch("[0-9a-f]{16}", version):  # `.name-other-…` is another's
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _lock(name: str) -> Iterator[None]:
    adapters_dir().mkdir(parents=True, exist_ok=True)
    with (adapters_dir() / f".{name}.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
