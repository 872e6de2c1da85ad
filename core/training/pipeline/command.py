"""`trivium train run RECIPE` and `trivium train list`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core.products import Command

if TYPE_CHECKING:
    from core.training.pipeline.run import Outcome


def _configure_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="a .toml file, or one of `trivium train list`")
    parser.add_argument("--out", type=Path, metavar="DIR", help="output folder (default: <cache>/training/NAME)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="another setting, e.g. seed=1 or stage.2.steps=5 (stages count from 1); may be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="check everything, print the plan, train nothing")
    parser.add_argument(
        "--restart",
        action="store_true",
        help="where the folder is of another recipe, begin anew at the first difference",
    )


def _run(arguments: argparse.Namespace) -> int:
    import sys

    from core.training.pipeline.report import report_markdown

    first, described, run = _opened(arguments)
    if first:
        print(described, flush=True)
    if arguments.dry_run:
        return 0
    try:
        outcome = run(restart=arguments.restart)
    except KeyboardInterrupt:
        print("\nThe same command goes on from the last checkpoint.", file=sys.stderr)
        raise
    if first:
        print(f"\n{report_markdown(outcome.report)}\nResult: {outcome.artefact}")
    return 0


def _opened(arguments: argparse.Namespace) -> tuple[bool, str, Callable[..., Outcome]]:
    """Whether this process is the first, the plan in words, and what runs the recipe."""
    from core.training.pipeline.classes.bench import open_class_bench
    from core.training.pipeline.classes.plan import describe_class_plan
    from core.training.pipeline.classes.recipe import ClassRecipe
    from core.training.pipeline.classes.run import run_class_recipe
    from core.training.pipeline.plan import describe_plan, make_plan
    from core.training.pipeline.reading import find_recipe, read_any
    from core.training.pipeline.run import open_bench, run_recipe

    path = find_recipe(arguments.recipe)
    recipe = read_any(path, arguments.set)
    if isinstance(recipe, ClassRecipe):
        classes = open_class_bench(recipe, arguments.out)
        return classes.team.rank == 0, describe_class_plan(classes), partial(run_class_recipe, classes)
    bench = open_bench(recipe, path, arguments.out)
    plan = make_plan(bench)
    return bench.team.rank == 0, describe_plan(bench, plan), partial(run_recipe, bench, plan)


def _configure_list(parser: argparse.ArgumentParser) -> None:
    del parser  # takes no arguments


def _list(_: argparse.Namespace) -> int:
    from core.training.pipeline.reading import known_recipes, read_any

    for name, path in known_recipes().items():
        recipe = read_any(path)
        stages = " → ".join(stage.kind for stage in recipe.stage)
        source = recipe.data.suite or recipe.data.prepared or recipe.data.file
        print(f"{name:<32}{recipe.model}: {stages}; data {source}; chosen by {recipe.choice}")
    return 0


RUN = Command("run", "run a recipe: learn stage by stage, evaluate, promote", _configure_run, _run)
LIST = Command("list", "list the recipes of all products", _configure_list, _list)
