"""`trivium data list | pull | verify`."""

from __future__ import annotations

import argparse

from core.products import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|pull|verify")
    actions.add_parser("list", help="what is registered and what is on this machine")
    pull = actions.add_parser("pull", help="download sets into the cache")
    pull.add_argument("names", nargs="+", metavar="NAME")
    pull.add_argument("--force", action="store_true", help="fetch again what is there already")
    verify = actions.add_parser("verify", help="compare the files on this machine with the registered hashes")
    verify.add_argument("names", nargs="*", metavar="NAME", help="all sets on this machine where none is named")


def _run(arguments: argparse.Namespace) -> int:
    return {"list": _list, "pull": _pull, "verify": _verify}[arguments.action](arguments)


def _list(_: argparse.Namespace) -> int:
    from core.data.registry import data_roots, datasets

    print(f"Looked for in: {', '.join(str(root) for root in data_roots())}\n")
    print(f"{'name':<20}{'here':<6}{'MB':>6}  {'languages':<11}{'licence':<28}title")
    for entry in datasets().values():
        here = "yes" if entry.is_available() else "no"
        languages = ", ".join(entry.languages) or "-"
        licence = entry.licence if len(entry.licence) <= 26 else entry.licence[:25] + "…"
        print(f"{entry.name:<20}{here:<6}{entry.size_bytes / 1e6:>6.1f}  {languages:<11}{licence:<28}{entry.title}")
    return 0


def _pull(arguments: argparse.Namespace) -> int:
    from core.data.download import pull
    from core.data.registry import dataset
    from core.progress import ProgressLine

    for entry in [dataset(name) for name in arguments.names]:
        fetched = pull(entry, force=arguments.force, progress=ProgressLine(entry.name))
        print(
            f"{entry.name}: {fetched} files fetched, {len(entry.files) - fetched} were there. Licence: {entry.licence}."
        )
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from core.data.registry import dataset, datasets
    from core.errors import DataMismatch, DataNotAvailable

    chosen = [dataset(name) for name in arguments.names] or [e for e in datasets().values() if e.is_available()]
    if not chosen:
        raise DataNotAvailable("No data set is on this machine.", hint="See `trivium data list`.")
    wrong = 0
    for entry in chosen:
        try:
            print(f"{entry.name}: {entry.verify()} files as registered")
        except (DataMismatch, DataNotAvailable) as error:
            wrong += 1
            print(f"{entry.name}: {error}")
    return 1 if wrong else 0


COMMANDS = (Command("data", "public data sets: list, fetch, verify", _configure, _run),)
