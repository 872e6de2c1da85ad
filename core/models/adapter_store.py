"""Named adapters, under `<cache>/adapters`; see `core.models.named_folders`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from core.config import settings
from core.errors import InputError, UnknownName
from core.models.adapters import CONFIG, WEIGHTS, Adapter, card_json, is_adapter_name, write_adapter
from core.models.named_folders import PREVIOUS as PREVIOUS
from core.models.named_folders import NamedFolders


def adapters_dir() -> Path:
    """`<cache>/adapters`, which may not exist yet."""
    return settings().cache_dir / "adapters"


def named_folder(name: str) -> Path | None:
    """The folder that `name` or `name.previous` stands for now; None if there is no such adapter."""
    return NamedFolders(adapters_dir()).folder(name)


def adapter_names() -> list[str]:
    """The names of the adapters that are here, in order."""
    return NamedFolders(adapters_dir()).names()


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
    folder = NamedFolders(adapters_dir()).promote(name, version, lambda folder: write_adapter(folder, card, content))
    return Adapter(folder, card)


def remove_adapter(name: str) -> None:
    """Delete the adapter `name` and its previous version. Raises `UnknownName`."""
    if not NamedFolders(adapters_dir()).remove(name):
        raise UnknownName("adapter", name, adapter_names())
