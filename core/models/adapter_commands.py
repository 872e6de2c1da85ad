"""`trivium adapters list | info | promote | remove`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from core.products import Command

if TYPE_CHECKING:
    from core.models.adapters import Adapter


def _configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|info|promote|remove")
    actions.add_parser("list", help="the named adapters on this machine")
    info = actions.add_parser("info", help="what an adapter is for, what made it, and its evaluation")
    info.add_argument("name", metavar="NAME", help="an adapter's name, NAME.previous, or a folder")
    promote = actions.add_parser("promote", help="give a name to an adapter; what had it becomes NAME.previous")
    promote.add_argument("folder", metavar="FOLDER", help="an adapter's folder or name")
    promote.add_argument("--name", help="another name than the adapter's own")
    remove = actions.add_parser("remove", help="delete a named adapter and its previous version")
    remove.add_argument("name", metavar="NAME")


def _run(arguments: argparse.Namespace) -> int:
    return {"list": _list, "info": _info, "promote": _promote, "remove": _remove}[arguments.action](arguments)


def _list(_: argparse.Namespace) -> int:
    from core.errors import TriviumError
    from core.models.adapter_store import adapter_names, adapters_dir
    from core.models.adapters import read_adapter

    names = adapter_names()
    print(f"Kept in: {adapters_dir()}\n" if names else f"There are none in: {adapters_dir()}")
    for name in names:
        try:
            adapter = read_adapter(name)
        except TriviumError as error:
            print(f"{name:<24}cannot be used: {error.message}")
            continue
        figures = ", ".join(f"{found.metric} {found.value:.3g}" for found in adapter.card.report) or "not evaluated"
        print(f"{name:<24}for {adapter.card.base}, {adapter.card.created:%Y-%m-%d}: {figures}")
    return 0


def _info(arguments: argparse.Namespace) -> int:
    from core.models.adapters import read_adapter

    adapter = read_adapter(arguments.name)
    card = adapter.card
    rows = [
        ("name", card.name),
        ("base model", f"{card.base}, fingerprint {card.base_fingerprint[:16]}… ({_fits(adapter)})"),
        ("made", f"{card.created:%Y-%m-%d %H:%M %Z}, seed {card.seed}"),
        ("training data", f"sha256 {card.data_sha256}"),
        *((f"config {key}", str(value)) for key, value in card.config.items()),
        ("files", "as the card names them"),
        ("folder", str(adapter.folder)),
    ]
    for found in card.report:
        interval = (
            "" if found.interval is None else f", 95 % interval {found.interval[0]:.4g} to {found.interval[1]:.4g}"
        )
        rows.append((found.metric, f"{found.value:.4g}{interval}, n = {found.n:,}"))
    if not card.report:
        rows.append(("evaluation", "none on its card"))
    width = max(len(label) for label, _ in rows)
    for label, text in rows:
        print(f"{label:<{width}}  {text}")
    return 0


def _fits(adapter: Adapter) -> str:
    """Whether the base model that is here is the one the adapter was made for."""
    from core.errors import ModelFileMismatch, ModelNotAvailable, UnknownName
    from core.models.locate import locate

    try:
        found = locate(adapter.card.base).fingerprint
    except (UnknownName, ModelNotAvailable, ModelFileMismatch):
        return "not on this machine"
    return "here" if found == adapter.card.base_fingerprint else "the one here has other files: it cannot be used"


def _promote(arguments: argparse.Namespace) -> int:
    from core.models.adapter_store import PREVIOUS, named_folder, promote_adapter
    from core.models.adapters import read_adapter

    adapter = promote_adapter(read_adapter(arguments.folder), arguments.name)
    before = f"; before: {adapter.name}{PREVIOUS}" if named_folder(f"{adapter.name}{PREVIOUS}") else ""
    print(f"{adapter.name} now stands for this adapter of {adapter.card.base}{before}")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from core.models.adapter_store import remove_adapter

    remove_adapter(arguments.name)
    print(f"{arguments.name}: removed")
    return 0


COMMANDS = (Command("adapters", "LoRA adapters: list, describe, name, remove", _configure, _run),)
