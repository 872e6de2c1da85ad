"""The command of a side: a task's folder and seeds go in, one JSON object a seed comes out. Runs under the anchors'
Pythons too."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.anchors.task import Task, read_task

Run = Callable[[Path, Task, argparse.Namespace, int], Mapping[str, Any]]


def run_side(parser: argparse.ArgumentParser, run: Run) -> None:
    """Add what all sides take to `parser`, and do `run(folder, task, given, seed)` for each seed."""
    parser.add_argument("folder", type=Path)
    parser.add_argument("--memory", action="store_true", help="measure it")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args()
    task = read_task(given.folder)
    for seed in given.seeds:
        print(json.dumps(run(given.folder, task, given, seed)), flush=True)
