"""PPO, GRPO, RLOO, self-critical training, alternation, DPO and evolution strategies on one task, from one policy.

    python -m benchmarks.optimisers                 # every method, three seeds; a table, docs/optimisers.svg, JSON
    python -m benchmarks.optimisers --sweep         # how the learning rates below were chosen

The task and the starting policy are those of `benchmarks.notes_task`. Each method learns an adapter of the same shape
on a copy of the same model and draws the same number of responses; a round draws `ROUND`. What is measured is the mean
reward of responses drawn at temperature 1, and of greedy ones, to prompts that nobody practised on. CPU-seconds are the
process's own, on one thread, of learning alone: judging on held-out prompts is not counted.

Everything but the learning rates is as `core.training` has it where nothing is said. The rates were chosen by
`--sweep`: one seed and validation prompts of their own, the best mean of the rewards at half the rounds and at the end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.line_plot import Line, Panel, draw
from benchmarks.notes_task import prompt_items, puzzles, starting_policy
from benchmarks.optimiser_methods import METHODS, REPEATED, ROUND, Method, Point, Task, one_run
from core.files import write_atomic
from core.metrics.rouge import RougeL
from core.training.experience import PromptItem
from core.training.reward import MetricReward

ROUNDS = 40
START_STEPS, START_RATE, START_SEED = 500, 3e-3, 0
PRACTICE_PROMPTS, HELD_OUT_PROMPTS = 512, 128
TEST_SEEDS, VALIDATION_SEED = (1, 2, 3), 101
THRESHOLD = 0.8
"""Samples and seconds are also given to this reward of drawn responses."""
PLOT = Path(__file__).parent.parent / "docs" / "optimisers.svg"


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error; the error of one value is given as 0."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return statistics.fmean(values), error


def to_threshold(points: Sequence[Point]) -> Point | None:
    """The first point at which drawn responses reach `THRESHOLD`."""
    return next((point for point in points if point.drawn >= THRESHOLD), None)


def summary(runs: Sequence[Sequence[Point]]) -> dict[str, Any]:
    """Figures of a method over its seeds; `reached` counts the seeds that came to the threshold, and the samples and
    seconds to it are means over these, None without any."""
    ends = [points[-1] for points in runs]
    reached = [point for points in runs if (point := to_threshold(points))]
    found: dict[str, Any] = {}
    for name in ("drawn", "greedy", "kl", "seconds"):
        mean, error = mean_and_error([getattr(point, name) for point in ends])
        found |= {name: round(mean, 3), f"{name}_error": round(error, 3)}
    found["reached"] = len(reached)
    found["samples_to_threshold"] = round(statistics.fmean(p.samples for p in reached)) if reached else None
    found["seconds_to_threshold"] = round(statistics.fmean(p.seconds for p in reached), 2) if reached else None
    return found


def table(found: dict[str, dict[str, Any]]) -> str:
    """Markdown."""
    rows = [
        f"| method | drawn | greedy | KL, nats | CPU-s | samples to {THRESHOLD:g} | CPU-s to {THRESHOLD:g} |",
        "|---|---|---|---|---|---|---|",
    ]
    for title, one in found.items():
        cells = [f"{one[name]:.2f} ± {one[f'{name}_error']:.2f}" for name in ("drawn", "greedy", "kl")]
        cells.append(f"{one['seconds']:.1f}")
        some = "" if one["reached"] in (0, len(TEST_SEEDS)) else f" ({one['reached']} of {len(TEST_SEEDS)} seeds)"
        cells += ["–" if one[name] is None else f"{one[name]:,}{some}" for name in _TO_THRESHOLD]
        rows.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(rows)


_TO_THRESHOLD = ("samples_to_threshold", "seconds_to_threshold")


def plot(found: dict[str, list[list[Point]]]) -> str:
    """Reward of drawn responses against samples and against CPU-seconds."""

    def lines(name: str) -> tuple[Line, ...]:
        made = []
        for title, runs in found.items():
            columns = list(zip(*runs, strict=True))
            middle = [mean_and_error([point.drawn for point in column]) for column in columns]
            x = tuple(statistics.fmean(getattr(point, name) for point in column) for column in columns)
            made.append(Line(title, x, tuple(mean for mean, _ in middle), tuple(error for _, error in middle)))
        return tuple(made)

    reward = "ROUGE-L of drawn responses, held out"
    return draw(
        [
            Panel("Against samples", "responses drawn", reward, lines("samples")),
            Panel("Against computing", "CPU-seconds", reward, lines("seconds"), logarithmic=True),
        ]
    )


def task_and_held_out() -> tuple[Task, list[PromptItem], list[PromptItem]]:
    """The task, prompts to choose learning rates on, and prompts to report."""
    began = time.process_time()
    start = starting_policy(START_STEPS, START_SEED, learning_rate=START_RATE)
    print(f"starting policy: {time.process_time() - began:.1f} CPU-seconds", flush=True)
    every = puzzles(PRACTICE_PROMPTS + 2 * HELD_OUT_PROMPTS, seed=10_000)
    items = prompt_items(every, start.tokenizer)
    practice, held_out = items[:PRACTICE_PROMPTS], items[PRACTICE_PROMPTS:]
    return Task(start, practice, MetricReward(RougeL())), held_out[:HELD_OUT_PROMPTS], held_out[HELD_OUT_PROMPTS:]


@dataclass(frozen=True, slots=True)
class Job:
    """One run of `one_run`; methods go by their titles."""

    title: str
    rate: float
    seed: int
    rounds: int
    every: int


class Workers:
    """Processes that run jobs side by side; each measures its own CPU-seconds."""

    def __init__(self, task: Task, held_out: Sequence[PromptItem], processes: int) -> None:
        self._pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (task, held_out))

    def run(self, jobs: Sequence[Job]) -> list[list[Point]]:
        found = []
        for job, points in zip(jobs, self._pool.map(_do, jobs), strict=True):
            print(f"{job.title}, rate {job.rate:g}, seed {job.seed}: {[round(p.drawn, 3) for p in points]}", flush=True)
            found.append(points)
        return found


_given: tuple[Task, Sequence[PromptItem]]


def _begin(task: Task, held_out: Sequence[PromptItem]) -> None:
    global _given
    _given = (task, held_out)
    _be_quiet_on_one_thread()


def _do(job: Job) -> list[Point]:
    method = next(method for method in (*METHODS, *REPEATED) if method.title == job.title)
    return one_run(_given[0], method, job.rate, job.seed, _given[1], job.rounds, job.every)


def _be_quiet_on_one_thread() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Prompts of 'the model' are written in the format 'plain'")


def sweep(workers: Workers, methods: Sequence[Method], rounds: int) -> dict[str, Any]:
    """The best learning rate of each method, as the module says."""
    jobs = [
        Job(method.title, rate, VALIDATION_SEED, rounds, rounds // 2) for method in methods for rate in method.rates
    ]
    worth: dict[str, dict[float, float]] = {}
    for job, points in zip(jobs, workers.run(jobs), strict=True):
        worth.setdefault(job.title, {})[job.rate] = round(statistics.fmean(point.drawn for point in points[1:]), 3)
    return {title: {"rate": max(some, key=lambda rate: some[rate]), "worth": some} for title, some in worth.items()}


def compare(workers: Workers, methods: Sequence[Method], rounds: int) -> dict[str, Any]:
    """Every method with every seed; writes the plot where all of them ran."""
    jobs = [
        Job(method.title, method.rate, seed, rounds, max(1, rounds // 10)) for method in methods for seed in TEST_SEEDS
    ]
    runs: dict[str, list[list[Point]]] = {}
    for job, points in zip(jobs, workers.run(jobs), strict=True):
        runs.setdefault(job.title, []).append(points)
    found = {title: summary(some) for title, some in runs.items()}
    print(table(found))
    if tuple(methods) == METHODS:
        write_atomic(PLOT, plot(runs))
    before = next(iter(runs.values()))[0][0]
    start = {"drawn": round(before.drawn, 3), "greedy": round(before.greedy, 3)}
    return {"start": start, "samples": rounds * ROUND, "threshold": THRESHOLD, "methods": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweep", action="store_true", help="choose learning rates; nothing is written")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of {ROUND} responses each")
    every = {method.title: method for method in (*METHODS, *REPEATED)}
    usual = [method.title for method in METHODS]
    parser.add_argument("--methods", nargs="+", choices=every, default=usual)
    parser.add_argument("--processes", type=int, default=2, help="runs at a time")
    given = parser.parse_args()
    _be_quiet_on_one_thread()
    methods = [every[title] for title in given.methods]
    task, validation, test = task_and_held_out()
    workers = Workers(task, validation if given.sweep else test, given.processes)
    found = (sweep if given.sweep else compare)(workers, methods, given.rounds)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
