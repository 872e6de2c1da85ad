"""What a product's recipe does to the task itself: held-out figures before, after supervised learning, after RL.

    OMP_NUM_THREADS=1 python -m benchmarks.rlhf_domain --product finance-risk --seeds 3 [--model smollm2-135m]

Runs the recipe once a seed (nothing is promoted) and measures every stage's policy on the test split, greedily. Seeds
differ in the first weights of the adapter, the order of the data and what is drawn; data and splits stay. A figure is
the mean over examples and seeds; its 95 % interval is by bootstrap over groups of examples, each with its mean over the
seeds, and each seed's own figure stands beside it. Gains are paired by example. Reward and KL are those of the drawn
responses, at the first and the last five steps of a stage. Each seed learns in a process of its own, whose most memory
is told; what seeds have in common, the untrained policy, is measured once. Begun runs go on where they stand. One JSON
object on the last line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from core.config import settings
from core.evaluation.intervals import Measure, bootstrap
from core.products import find_product
from core.training.journal import read_journal
from core.training.memory import PEAK_MIB
from core.training.pipeline.bench import EVALUATIONS, Bench
from core.training.pipeline.evaluation import Evaluation, policy_key
from core.training.pipeline.plan import Plan, make_plan
from core.training.pipeline.reading import read_recipe
from core.training.pipeline.recipe import Recipe
from core.training.pipeline.report import START
from core.training.pipeline.results import StageResult, read_result
from core.training.pipeline.run import evaluate_policy, open_bench, run_recipe
from core.training.pipeline.stages import stage_folder

_LAST_STEPS = 5


@dataclass(frozen=True)
class Run:
    """One seed: evaluations on test by stage, "start" first; results and journals of the stages by name."""

    seed: int
    test: dict[str, Evaluation]
    results: dict[str, StageResult]
    journals: dict[str, list[dict[str, Any]]]


def without_promotion(recipe: Recipe) -> Recipe:
    """The recipe, choosing by the same metric, with no name to take."""
    metrics = recipe.evaluate.model_copy(update={"metrics": recipe.metrics})
    return recipe.model_copy(update={"promote": None, "evaluate": metrics})


def open_seed(path: Path, overrides: Sequence[str], seed: int, folder: Path) -> Bench:
    """The recipe with this seed; answers of a policy are kept once for all seeds."""
    recipe = without_promotion(read_recipe(path, [*overrides, f"seed={seed}"]))
    return replace(open_bench(recipe, path, folder / f"seed-{seed}"), evaluations=folder / EVALUATIONS)


def learn_seed(bench: Bench, *, restart: bool) -> None:
    """Run the recipe, and measure what each stage made; all of it is kept in folders."""
    plan = make_plan(bench)
    run_recipe(bench, plan, restart=restart)
    read_seed(bench, plan)


def read_seed(bench: Bench, plan: Plan) -> Run:
    """What came of a seed whose recipe has run; what is measured already is read."""
    test = {START: evaluate_policy(bench, "test", policy_key(plan.fingerprint, plan.placement.dtype, {}), None)}
    results, journals = {}, {}
    for number in range(1, len(bench.recipe.stage) + 1):
        place = stage_folder(bench, number)
        result = read_result(place)
        assert result is not None, "the recipe has run"
        results[place.name], journals[place.name] = result, read_journal(place)
        if result.policy_key:
            test[place.name] = evaluate_policy(bench, "test", result.policy_key, place / result.artefact)
    return Run(bench.recipe.seed, test, results, journals)


def learn_apart(arguments: Sequence[str], seed: int) -> None:
    """`learn_seed` in a process of its own, which gives its memory back. Raises `SystemExit` where it fails."""
    ended = subprocess.run([sys.executable, "-m", "benchmarks.rlhf_domain", *arguments, "--seed", str(seed)])
    if ended.returncode:
        raise SystemExit(ended.returncode)


def measured(runs: Sequence[Run], stage: str, metric: str, against: str = "") -> dict[str, Any]:
    """The metric after `stage`, or its gain over the stage `against`: over all seeds, and each seed's own."""
    columns = []
    for run in runs:
        values = [answer.values[metric] for answer in run.test[stage].answers]
        if against:
            before = [answer.values[metric] for answer in run.test[against].answers]
            values = [after - first for after, first in zip(values, before, strict=True)]
        columns.append(values)
    groups: dict[str, list[float]] = {}
    for answer, row in zip(runs[0].test[stage].answers, zip(*columns, strict=True), strict=True):
        groups.setdefault(answer.group or answer.id, []).append(statistics.fmean(row))
    found = bootstrap(list(groups.values()), _mean_of_groups)
    return {**_rounded(found), "seeds": [round(statistics.fmean(values), 4) for values in columns]}


def _mean_of_groups(drawn: list[object]) -> float:
    return statistics.fmean(value for members in drawn for value in members)  # type: ignore[attr-defined]


def _rounded(measure: Measure) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(measure).items()}


def practised(runs: Sequence[Run], stage: str) -> dict[str, Any]:
    """Reward, KL and signs of hacking of a stage that draws responses; empty for any other."""
    journals = [[row for row in run.journals[stage] if "reward/mean" in row] for run in runs]
    if not all(journals):
        return {}
    told: dict[str, Any] = {}
    for name in ("reward/mean", "policy/kl", "policy/entropy", "response/tokens", "response/finished"):
        ends = [
            [statistics.fmean(rows[name] for rows in part) for part in (rows[:_LAST_STEPS], rows[-_LAST_STEPS:])]
            for rows in ([row for row in journal if name in row] for journal in journals)
            if rows
        ]
        told[name] = {"first": [round(first, 4) for first, _ in ends], "last": [round(last, 4) for _, last in ends]}
    told["signs"] = [run.results[stage].signs for run in runs]
    told["warnings"] = [list(run.results[stage].warnings) for run in runs]
    told["kept step"] = [run.results[stage].best_step for run in runs]
    return told


def most_memory(journal: Sequence[Mapping[str, Any]]) -> int | None:
    """MiB that the process ever held, at the end of a stage; None where the journal does not say."""
    return max((round(row[PEAK_MIB]) for row in journal if PEAK_MIB in row), default=None)


def report(runs: Sequence[Run], metrics: Sequence[str]) -> dict[str, Any]:
    stages = list(runs[0].test)
    return {
        "seeds": [run.seed for run in runs],
        "n": len(runs[0].test[START].answers),
        "groups": len({answer.group or answer.id for answer in runs[0].test[START].answers}),
        "metrics": {metric: {stage: measured(runs, stage, metric) for stage in stages} for metric in metrics},
        "gains": {
            metric: {
                f"{stage} over {earlier}": measured(runs, stage, metric, earlier)
                for place, stage in enumerate(stages)
                for earlier in dict.fromkeys((stages[place - 1], START))
                if place
            }
            for metric in metrics
        },
        "practice": {stage: told for stage in stages[1:] if (told := practised(runs, stage))},
        "clock seconds": {stage: [round(run.results[stage].seconds) for run in runs] for stage in runs[0].results},
        "memory MiB": {stage: [most_memory(run.journals[stage]) for run in runs] for stage in runs[0].results},
    }


def describe(found: Mapping[str, Any]) -> str:
    lines = [f"test: {found['n']} examples in {found['groups']} groups, seeds {found['seeds']}"]
    for part in ("metrics", "gains"):
        for metric, rows in found[part].items():
            lines.append(f"{'gain of ' if part == 'gains' else ''}{metric}")
            for name, one in rows.items():
                sign = "+" if part == "gains" else ""
                interval = f"{one['value']:{sign}.3f} [{one['low']:{sign}.3f}, {one['high']:{sign}.3f}]"
                lines.append(f"  {name:<20}{interval}   seeds {one['seeds']}")
    for stage, told in found["practice"].items():
        lines.append(f"{stage}: " + "; ".join(f"{name} {value}" for name, value in told.items()))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--product", required=True, help="such as finance-risk")
    parser.add_argument("--recipe", help="default: the product's first")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--model", help="default: the recipe's")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for `trivium train run`")
    parser.add_argument("--out", type=Path, help="default: in the cache")
    parser.add_argument("--restart", action="store_true", help="throw away runs of other settings")
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    recipes = find_product(given.product).recipes
    name = given.recipe or next(iter(recipes))
    overrides = [*([f"model={given.model}"] if given.model else []), *given.set]
    recipe = read_recipe(recipes[name], overrides)
    folder = (
        given.out or settings().cache_dir / "benchmarks" / "rlhf_domain" / f"{given.product}-{Path(recipe.model).name}"
    )
    if given.seed is not None:
        learn_seed(open_seed(recipes[name], overrides, given.seed, folder), restart=given.restart)
        return
    runs: list[Run] = []
    for seed in range(given.seeds):
        learn_apart(sys.argv[1:], seed)
        bench = open_seed(recipes[name], overrides, seed, folder)
        runs.append(read_seed(bench, make_plan(bench)))
        print(f"\nafter seed {seed}: {describe(report(runs, recipe.metrics))}\n", flush=True)
    told = {
        "benchmark": "rlhf_domain",
        "product": given.product,
        "recipe": name,
        "model": recipe.model,
        "set": given.set,
    }
    print(json.dumps({**told, "threads": torch.get_num_threads(), **report(runs, recipe.metrics)}, ensure_ascii=False))


if __name__ == "__main__":
    main()
