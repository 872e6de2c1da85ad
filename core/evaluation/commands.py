"""`trivium evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.products import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suites", nargs="*", metavar="SUITE")
    parser.add_argument("--list", action="store_true", help="list the suites and what each needs")
    parser.add_argument("--limit", type=_positive, metavar="N", help="measure N evenly spread items of each suite")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--failures", action="store_true", help="print some of the wrong items")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _run(arguments: argparse.Namespace) -> int:
    from core.errors import InputError
    from core.evaluation.runner import choose_suites, format_entry, format_report, run_suite
    from core.files import write_atomic
    from core.progress import ProgressLine

    if arguments.list:
        return _list()
    if not arguments.suites:
        raise InputError("Name at least one suite.", hint="`trivium evaluate --list` shows them.")
    if arguments.out and arguments.out.is_dir():
        raise InputError(f"'{arguments.out}' is a folder.", hint="Name a file for the report.")
    entries = []
    for suite in choose_suites(arguments.suites):
        entries.append(run_suite(suite, limit=arguments.limit, progress=ProgressLine(suite.name)))
        print(format_entry(entries[-1]))
        if arguments.failures:
            print("".join(f"  wrong: {line}\n" for line in entries[-1]["failures"]), end="")
        print(flush=True)
        if arguments.out:
            write_atomic(arguments.out, format_report(entries))
    return 0


def _list() -> int:
    from core.data import dataset
    from core.evaluation.runner import load_suites

    for suite in load_suites().values():
        absent = [name for name in suite.data if not dataset(name).is_available()]
        needs = f"data: {', '.join(suite.data)}" if suite.data else "own test set"
        state = f"not on this machine: {', '.join(absent)}" if absent else "ready"
        print(f"{suite.name:<18}{suite.title}\n{'':<18}{needs} — {state}")
    return 0


COMMANDS = (Command("evaluate", "figures on test sets, with intervals and published numbers", _configure, _run),)
