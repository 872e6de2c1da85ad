"""A recipe from end to end: stage after stage, evaluation, promotion, report.

Everything is in one folder: `1-sft/`, `2-grpo/` …, `evaluations/`, `adapter/`, `report.json`, `report.md`.
The same command given again goes on where the folder stands; a folder of another recipe is refused.
"""

from __future__ import annotations

import contextlib
import gc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.config import settings
from core.errors import InputError
from core.models.adapter_set import AdapterSet
from core.models.adapters import CONFIG, WEIGHTS, Adapter, read_adapter, with_report, write_adapter
from core.training.pipeline.bench import Bench, Place
from core.training.pipeline.checks import check_stages
from core.training.pipeline.evaluation import Evaluation, policy_key
from core.training.pipeline.examples import (
    RecipeData,
    check_data,
    file_data,
    prepared_data,
    product_data,
    sha256_of_examples,
)
from core.training.pipeline.folder import alone_in, begin_folder, room_in
from core.training.pipeline.plan import Plan, make_plan
from core.training.pipeline.progress import RecipeProgress
from core.training.pipeline.promotion import Verdict, check_name, promote, promoted_name
from core.training.pipeline.recipe import Recipe
from core.training.pipeline.report import START, about_data, answers_shown, make_report, write_report
from core.training.pipeline.results import StageResult, read_result
from core.training.pipeline.stages import ADAPTER_FOLDER, measurements, run_stage, stage_folder, stage_key
from core.training.team import Team, by_first, current_team


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. `artefact` is the folder of the adapter, of the model where all weights learn, or of the
    classifier."""

    report: dict[str, Any]
    artefact: Path
    verdict: Verdict | None


def open_bench(
    recipe: Recipe, path: Path, out: Path | None = None, *, data: RecipeData | None = None, team: Team | None = None
) -> Bench:
    """What the stages share; everything about recipe and data that can be wrong is found here.

    Args:
        path: of the recipe's file, beside which rewards that are code are looked for.
        out: the output folder; default: `<cache>/training/NAME`.
        data: in place of what the recipe names.

    Raises:
        InputError, UnknownName: a split is empty or not apart, a metric is not there or the data has not what it needs.
    """
    found = (data or load_data(recipe)).limited(recipe.data.model_dump(include={"train", "validation", "test"}))
    check_data(found)
    bench = Bench(
        recipe,
        found,
        sha256_of_examples(found),
        out or settings().cache_dir / "training" / recipe.name,
        path.parent if recipe.run_code else None,
        team or current_team(),
    )
    check_stages(bench)
    return bench


def load_data(recipe: Recipe) -> RecipeData:
    """The examples the recipe names."""
    choice = recipe.data
    if choice.prepared is not None:
        return prepared_data(choice.prepared)
    if choice.file is not None:
        return file_data(choice.file, recipe.seed)
    assert choice.suite is not None
    data = product_data(choice.suite)
    if isinstance(data, RecipeData):
        return data
    raise InputError(
        f"The data '{choice.suite}' has texts with classes, not prompts with responses.",
        hint='Use it in a recipe whose stage is kind = "classify".',
    )


def run_recipe(bench: Bench, plan: Plan | None = None, *, restart: bool = False, quiet: bool = False) -> Outcome:
    """Run what is not done yet.

    Args:
        restart: throw away stages of another recipe in the folder, instead of refusing it.

    Raises:
        InputError: the folder is of another recipe, in use, or something else; or as `run_stage` does.
        TrainingFault: see `run_stage`; the same command goes on from what was saved.
    """
    plan = plan or make_plan(bench)
    team = bench.team
    check_name(bench, plan.fingerprint)
    stages = range(1, len(bench.recipe.stage) + 1)
    keys = {stage_folder(bench, number).name: stage_key(bench, number, plan.fingerprint) for number in stages}
    with room_in(bench.folder), alone_in(bench.folder) if team.rank == 0 else contextlib.nullcontext():
        by_first(team, lambda: begin_folder(bench.folder, bench.recipe, keys, restart=restart))
        base = policy_key(plan.fingerprint, plan.placement.dtype, {})
        validation = by_first(team, lambda: {START: evaluate_policy(bench, "validation", base, None)})
        results, start = _run_stages(bench, plan, validation, quiet=quiet)
        return by_first(team, lambda: _conclude(bench, results, validation, start, base))


def _run_stages(
    bench: Bench, plan: Plan, validation: dict[str, Evaluation], *, quiet: bool
) -> tuple[list[StageResult], Path]:
    """Results of all stages, and the folder of the last policy; `validation` gets an evaluation a stage."""
    kinds = [stage.kind for stage in bench.recipe.stage]
    shown = None if quiet or bench.team.rank else RecipeProgress(kinds, plan.costs)
    start: Path | None = None
    reward: Path | None = None
    results: list[StageResult] = []
    for number in range(1, len(kinds) + 1):
        folder = stage_folder(bench, number)
        result = by_first(bench.team, lambda folder=folder: read_result(folder))  # type: ignore[misc]
        if result is None:
            place = Place(number, folder, start, reward, list(validation.values())[-1])
            key = stage_key(bench, number, plan.fingerprint)
            piece = plan.stages[number - 1].piece_tokens
            result = run_stage(bench, place, key, piece, shown.stage(number) if shown else None)
            gc.collect()  # the stage's model is large, and its layers refer to one another
        results.append(result)
        if result.policy_key:
            start = folder / result.artefact
            if bench.team.rank == 0:
                validation[folder.name] = evaluate_policy(bench, "validation", result.policy_key, start)
        else:
            reward = folder / result.artefact
    if shown:
        shown.close()
    assert start is not None, "a recipe has a stage that trains the policy"
    return results, start


def evaluate_policy(bench: Bench, split: str, key: str, artefact: Path | None) -> Evaluation:
    """The evaluation of the policy in the folder `artefact` (None: the base model) on a split.

    It is loaded and run only where it was not measured before.

    Args:
        key: its `policy_key`, as a stage's result names it.
    """
    evaluator = bench.evaluator(split)
    kept = evaluator.kept(key)
    if kept is not None:
        return kept
    loaded = bench.load(artefact)
    if artefact is None or bench.recipe.adapter is False:
        return evaluator(loaded, key)
    adapters = AdapterSet(loaded)
    name = adapters.attach(artefact, "policy")
    return evaluator(loaded, key, adapters.using(name))


def _conclude(
    bench: Bench, results: list[StageResult], validation: dict[str, Evaluation], start: Path, base: str
) -> Outcome:
    """The look at the test split, the result in its place, promoted or not, and the report."""
    last = next(result for result in reversed(results) if result.policy_key)
    test = {
        START: evaluate_policy(bench, "test", base, None),
        "end": evaluate_policy(bench, "test", last.policy_key, start),
    }
    end = list(validation.values())[-1]
    verdict = None
    artefact = start
    if bench.recipe.adapter is not False:
        artefact = bench.folder / ADAPTER_FOLDER
        adapter = _final_adapter(bench, read_adapter(start), artefact, end, test["end"])
        if promoted_name(bench):
            verdict = promote(bench, adapter, end, validation[START])
    report = make_report(
        bench.recipe,
        about_data(bench.data, bench.data_sha256),
        results,
        validation,
        test,
        verdict,
        answers_shown(bench, test),
    )
    write_report(bench.folder, report)
    return Outcome(report, artefact, verdict)


def _final_adapter(bench: Bench, made: Adapter, folder: Path, end: Evaluation, test: Evaluation) -> Adapter:
    """A copy of the last stage's adapter whose card has the figures on validation and on test."""
    figures = tuple(
        one
        for split, evaluation in (("validation", end), ("test", test))
        for one in measurements(
            {metric: evaluation.measure(metric) for metric in bench.recipe.metrics}, len(evaluation.answers), split
        )
    )
    copy = write_adapter(folder, made.card, {file: made.read(file) for file in (CONFIG, WEIGHTS)})
    return with_report(copy, figures)
