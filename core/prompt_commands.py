"""`trivium prompts list | show | search`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from core.products import Command

if TYPE_CHECKING:
    from core.inference.prompt_search import SearchResult


def _configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|search")
    actions.add_parser("list", help="stored prompts, their versions and what they were measured to be worth")
    show = actions.add_parser("show", help="text, examples and evaluations of a prompt")
    show.add_argument("name", metavar="NAME")
    show.add_argument("--version", type=int, metavar="N", help="default: the newest")
    search = actions.add_parser(
        "search", help="find the best instruction and demonstrations, measured on held-out data"
    )
    search.add_argument("file", type=Path, metavar="FILE", help="TOML file that describes the search; see docs/core.md")
    search.add_argument("--out", type=Path, metavar="FILE", help="write all that was tried as JSON")
    search.add_argument("--no-save", action="store_true", help="do not store the winner as a prompt")


def _run(arguments: argparse.Namespace) -> int:
    return {"list": _list, "show": _show, "search": _search}[arguments.action](arguments)


def _list(_: argparse.Namespace) -> int:
    from core.errors import TriviumError
    from core.prompts.store import own_folder, read_prompt, stored_prompts

    print(f"Your own are kept in: {own_folder()}\n")
    print(f"{'name':<28}{'version':>7}  {'language':<10}quality")
    for (name, version), path in stored_prompts().items():
        own = "" if path.parent == own_folder() else "  (shipped)"
        try:
            prompt = read_prompt(path)
            print(f"{name:<28}{version:>7}  {prompt.language:<10}{prompt.describe_evaluation()}{own}")
        except TriviumError as error:  # one broken file must not hide the others
            print(f"{name:<28}{version:>7}  {'?':<10}cannot be used: {error.message}{own}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from core.prompts.store import load_prompt

    prompt = load_prompt(arguments.name, arguments.version)
    print(f"{prompt.name}, version {prompt.version}, {prompt.language}, text {prompt.sha256[:12]}")
    print(f"quality: {prompt.describe_evaluation()}")
    for label, text in (("schema", prompt.schema), ("metric", prompt.metric)):
        if text:
            print(f"{label}: {text}")
    template = prompt.prompt.template
    for role, text in (("system", template.system), ("user", template.user)):
        if text:
            print(f"\n[{role}]\n{text}")
    for number, example in enumerate(prompt.prompt.examples, start=1):
        values = "\n".join(f"{name}: {value}" for name, value in example.values.items())
        print(f"\n[example {number}]\n{values}\n-> {example.answer}")
    return 0


def _search(arguments: argparse.Namespace) -> int:
    from core.errors import InputError
    from core.files import write_atomic
    from core.inference.search_plan import read_plan, report_text, run_plan, store_winner
    from core.progress import ProgressLine

    if arguments.out and arguments.out.is_dir():
        raise InputError(f"'{arguments.out}' is a folder.", hint="Name a file for the report.")
    plan = read_plan(arguments.file)
    result, model = run_plan(plan, ProgressLine(f"prompts for {plan.name}"))
    _print(result, model)
    if arguments.out:
        write_atomic(arguments.out, report_text(result, model))
    if not arguments.no_save:
        print(f"stored: {store_winner(plan, result, model)}")
    return 0


def _print(result: SearchResult, model: str) -> None:
    sizes = ", ".join(f"{name} {size}" for name, size in result.sizes.items())
    print(f"{len(result.candidates)} candidates, {model}; inputs: {sizes}; answers asked for: {result.asked}")
    for trial in result.trials:
        if trial.stage == "test":
            continue
        shown = result.candidates[trial.candidate]
        mark = " (baseline)" if trial.candidate == 0 else ""
        what = f"{shown.shots.name}, “{' '.join(shown.instruction.split())[:48]}”"
        print(f"  {trial.stage:<11}{trial.figure.value:>7.3f}  n = {trial.figure.n:<5}{what}{mark}")
    rows = (("baseline", result.baseline_test), ("winner", result.test), ("gain", result.gain))
    print(f"held-out test, n = {result.test.n}:")
    for label, figure in rows:
        print(f"  {label:<11}{figure.value:>7.3f}  [{figure.low:.3f}, {figure.high:.3f}]")
    if result.winner == 0:
        print("Nothing was better than the baseline on the validation part.")
    elif result.gain.low <= 0:
        print("The gain on the test part cannot be told from none.")
    print(f"winner: {result.best.shots.name}\n{result.best.instruction}")


COMMANDS = (Command("prompts", "stored prompts: list, show, search for better ones", _configure, _run),)
