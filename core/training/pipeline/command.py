"""`trivium train run RECIPE` and `trivium train list`."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.products import Command


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

    from core.training.pipeline.plan import describe_plan, make_plan
    from core.training.pipeline.reading import find_recipe, read_recipe
    from core.training.pipeline.report import report_markdown
    from core.training.pipeline.run import open_bench, run_recipe

    path = find_recipe(arguments.recipe)
    recipe = read_recipe(path, arguments.set)
    bench = open_bench(recipe, path, arguments.out)
    plan = make_plan(bench)
    first = bench.team.rank == 0
    if first:
        print(describe_plan(bench, plan), flush=True)
    if arguments.dry_run:
        return 0
    try:
        outcome = run_recipe(bench, plan, restart=arguments.restart)
    except KeyboardInterrupt:
        print("\nThe same command goes on from the last checkpoint.", file=sys.stderr)
        raise
    if first:
        print(f"\n{report_markdown(outcome.report)}\nResult: {outcome.artefact}")
    return 0


def _configure_list(parser: argparse.ArgumentParser) -> None:
    del parser  # takes no arguments


def _list(_: argparse.Namespace) -> int:
    from core.training.pipeline.reading import known_recipes, read_recipe

    for name, path in known_recipes().items():
        recipe = read_recipe(path)
        stages = " → ".join(stage.kind for stage in recipe.stage)
        source = recipe.data.suite or recipe.data.prepared or recipe.data.file
        print(f"{name:<32}{recipe.model}: {stages}; data {source}; chosen by {recipe.choice}")
    return 0


RUN = Command("run", "run a recipe: learn stage by stage, evaluate, promote", _configure_run, _run)
LIST = Command("list", "list the recipes of all products", _configure_list, _list)
