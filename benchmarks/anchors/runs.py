"""Runs of both sides in processes of their own, and what is made of their figures."""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.anchors.environment import anchor_python
from benchmarks.anchors.task import Task, make_task

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Side:
    """A Python, a module to run with it, and its arguments after the task's folder."""

    python: Path
    module: str
    arguments: tuple[str, ...] = ()


def ours(*arguments: str) -> Side:
    return Side(Path(sys.executable), "benchmarks.our_training", arguments)


def our_replay(*arguments: str) -> Side:
    return Side(Path(sys.executable), "benchmarks.our_replay", arguments)


def run(side: Side, folder: Path, *more: str, threads: int = 1) -> list[dict[str, Any]]:
    """The JSON objects that the side prints, one a seed; the anchor also prints Python's dictionaries."""
    command = [str(side.python), "-m", side.module, str(folder), *side.arguments, *more]
    done = subprocess.run(
        command,
        cwd=_ROOT,
        env=os.environ | {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"error: {' '.join(command)} stopped with {done.returncode}:\n{done.stderr[-3000:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"')]


def costs(sides: Mapping[str, Side], folder: Path, rounds: int) -> dict[str, dict[str, Any]]:
    """Of each side the median seconds of a step and its memory; sides take turns, since machines drift."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: 1 if number % 2 == 0 else -1]:
            (report,) = run(sides[name], folder)
            found[name].append(report)
            print(f"{name}: {report['seconds']} s a step, peak {report['peak_mib']} MiB", flush=True)
    return {name: _cost(reports) for name, reports in found.items()}


def _cost(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    seconds = [value for report in reports for value in report["seconds"]]
    return {
        "seconds": round(statistics.median(seconds), 3),
        "least": min(seconds),
        "most": max(seconds),
        "steps": len(seconds),
        "seconds_of": reports[0]["seconds_of"],
        **{
            field: round(statistics.median(r[field] for r in reports)) for field in ("peak_mib", "held_mib", "step_mib")
        },
    }


def curves(sides: Mapping[str, Side], folder: Path, seeds: int, last: int) -> dict[str, dict[str, Any]]:
    """Of each side the mean reward and KL of the `last` steps, with standard errors over the seeds."""
    numbers = [str(seed) for seed in range(seeds)]
    found = {}
    for name, side in sides.items():
        reports = run(side, folder, "--seeds", *numbers)
        rewards = [statistics.fmean(report["rewards"][-last:]) for report in reports]
        kls = [statistics.fmean(report["kls"][-last:]) for report in reports]
        found[name] = {
            "first_reward": round(statistics.fmean(report["rewards"][0] for report in reports), 4),
            "reward": round(statistics.fmean(rewards), 4),
            "reward_error": round(_standard_error(rewards), 4),
            "kl": round(statistics.fmean(kls), 4),
            "kl_error": round(_standard_error(kls), 4),
            "seeds": seeds,
        }
        print(f"{name}: {found[name]}", flush=True)
    return found


def replay(anchor: Side, other: Side, folder: Path) -> dict[str, Any]:
    """The anchor learns and is recorded; the other side learns from what the anchor drew. How far they come apart.

    Figures of a step by the largest the anchor has in the run; weights by how far the anchor has come from the start.
    """
    recording = str(folder / "recording")
    (theirs,) = run(anchor, folder, "--record", recording)
    (found,) = run(other, folder, "--recording", recording)
    apart_by_step = {
        name: _apart_by_step(found[name], theirs[name])
        for name in ("rewards", "kls", "losses", "gradient_norms")
        if name in theirs
    } | {"weights": found["weights_apart"]}
    largest = {name: _digits(max(values)) for name, values in apart_by_step.items()}
    print(f"largest difference over {len(found['weights_apart'])} steps: {largest}", flush=True)
    return {
        "steps": len(found["weights_apart"]),
        "largest": largest,
        "by_step": {name: [_digits(value) for value in values] for name, values in apart_by_step.items()},
    }


def _apart_by_step(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    unit = max(map(abs, theirs))
    return [abs(one - other) / unit for one, other in zip(ours, theirs, strict=True)]


def _digits(value: float) -> float:
    return float(f"{value:.2g}")


def main_of(
    name: str,
    doc: str,
    anchor: str,
    tasks: tuple[Task, Task],
    speed: Callable[[Path, Path, int], dict[str, Any]],
    learning: Callable[[Path, Path, int], dict[str, Any]],
    replaying: Callable[[Path, Path], dict[str, Any]],
) -> None:
    """The command of a benchmark beside an anchor.

    Args:
        tasks: for costs, and for learning curves.
        speed, learning: take the anchor's Python, the task's folder, and the number of rounds or seeds.
        replaying: takes the first two.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1)
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--curves", action="store_true", help="learning curves in place of costs")
    modes.add_argument(
        "--replay", action="store_true", help="learn from what the anchor drew, and lay weights side by side"
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--anchor-python", type=Path, help=f"a Python that has {anchor}; default: made on first use")
    given = parser.parse_args()
    if given.seeds < 2:
        parser.error("--seeds: a standard error takes at least 2")
    python = given.anchor_python or anchor_python(anchor)
    task = tasks[1] if given.curves or given.replay else tasks[0]
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        make_task(task, folder)
        if given.replay:
            found = replaying(python, folder)
        elif given.curves:
            found = learning(python, folder, given.seeds)
        else:
            found = speed(python, folder, given.rounds)
    print(json.dumps({"benchmark": name, "anchor": anchor, "task": task.settings()} | found))


def share(found: Mapping[str, Mapping[str, Any]], name: str, other: str, field: str) -> float:
    """A figure of one side over that of another."""
    return round(float(found[name][field] / found[other][field]), 2)


def apart(found: Mapping[str, Mapping[str, Any]], anchor: str) -> dict[str, dict[str, dict[str, float]]]:
    """How far each side lies from the anchor in reward and KL: see `_difference`."""
    others = {name: side for name, side in found.items() if name != anchor}
    return {
        name: {what: _difference(side, found[anchor], what) for what in ("reward", "kl")}
        for name, side in others.items()
    }


def _difference(one: Mapping[str, Any], other: Mapping[str, Any], what: str) -> dict[str, float]:
    """In itself, in standard errors of the second, and in standard errors of the difference."""
    difference = one[what] - other[what]
    both = math.hypot(one[f"{what}_error"], other[f"{what}_error"])
    return {
        "difference": round(difference, 4),
        "in_errors_of_the_anchor": round(difference / other[f"{what}_error"], 2),
        "in_errors_of_the_difference": round(difference / both, 2),
    }


def _standard_error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values))
