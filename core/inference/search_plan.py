"""A prompt search as a file, run and stored.

name = "topic"                     # of the prompt to store
language = "en"
model = "smollm2-135m"             # default: the setting `generator`
metric = "exact_match"             # as in `core.metrics.parse_metric`
choices = ["card", "fee"]          # labels to choose from; leave out where the answer is written
max_tokens = 64
instructions = ["Name the topic."]
examples = "examples.jsonl"        # {"input", "answer" or "answers", "group"} a line; beside this file
demonstrations = "shown.jsonl"     # {"input", "answer"} a line
shots = [0, 4]                     # the first pair of instruction and shots is the baseline
choose = ["random", "balanced"]    # in_order, random, balanced, cover (the last needs the embedder)
seeds = [0, 1]                     # of random and balanced
proposals = 0                      # instructions for the generator to write
finalists = 3
evaluations = 500                  # answers the halving may cost
seed = 0                           # of the split
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.config import settings
from core.errors import InputError
from core.files import decode_text, read_bytes
from core.inference.generator import Generator, Sampling
from core.inference.held_out import LabelledInput, data_sha256, split_examples
from core.inference.load import load_generator
from core.inference.prompt_search import SearchResult, Shots, Task, search_prompts
from core.inference.propose import propose_instructions
from core.metrics import parse_metric
from core.progress import ProgressCallback
from core.prompts.demonstrations import AtRandom, Covering, Demonstration, DemonstrationChoice, InOrder, LabelBalanced
from core.prompts.store import next_version, save_prompt
from core.prompts.stored import PromptEvaluation, StoredPrompt
from core.text import Language

Chooser = Literal["in_order", "random", "balanced", "cover"]


class SearchPlan(BaseModel):
    """What a search file says; paths are relative to the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    language: Language = "en"
    model: str | None = None
    metric: str = "exact_match"
    choices: tuple[str, ...] = ()
    max_tokens: int = Field(default=64, ge=1)
    instructions: tuple[str, ...] = Field(min_length=1)
    examples: Path
    demonstrations: Path | None = None
    shots: tuple[int, ...] = (0,)
    choose: tuple[Chooser, ...] = ("random",)
    seeds: tuple[int, ...] = (0,)
    proposals: int = Field(default=0, ge=0, le=50)
    finalists: int = Field(default=3, ge=1)
    evaluations: int | None = Field(default=None, ge=1)
    seed: int = 0


def read_plan(path: Path) -> SearchPlan:
    """The plan in a TOML file. Raises `InputError` and `UnreadableFile`."""
    text = decode_text(read_bytes(path, max_bytes=settings().max_upload_bytes), path.name)
    try:
        plan = SearchPlan.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"'{path.name}' is not valid TOML: {error}.", hint="Mend the search file.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        keys = ", ".join(SearchPlan.model_fields)
        raise InputError(f"'{path.name}': '{place}': {first['msg']}.", hint=f"Keys: {keys}.") from error
    if any(plan.shots) and plan.demonstrations is None:
        raise InputError(f"'{path.name}' asks for shots without `demonstrations`.", hint="Name a file of them.")
    shown = path.parent / plan.demonstrations if plan.demonstrations else None
    return plan.model_copy(update={"examples": path.parent / plan.examples, "demonstrations": shown})


def run_plan(
    plan: SearchPlan, progress: ProgressCallback | None = None, *, generator: Generator | None = None
) -> tuple[SearchResult, str]:
    """Run the search; its result and the name of the generator. Raises as `search_prompts` does.

    Answers are remembered in the cache folder, so that a search that was stopped goes on.
    """
    examples = read_examples(plan.examples)
    pool = tuple(read_demonstrations(plan.demonstrations)) if plan.demonstrations else ()
    metric = parse_metric(plan.metric)
    shots = shot_sets(plan, pool)
    generator = generator or load_generator(plan.model)
    instructions = list(plan.instructions)
    if plan.proposals:
        train = split_examples(examples, seed=plan.seed)["train"]
        shown = [Demonstration(one.input, one.references[0]) for one in train]
        written = propose_instructions(generator, shown, plan.proposals, language=plan.language, seed=plan.seed)
        instructions += [text for text in written if text not in instructions]
    result = search_prompts(
        generator,
        instructions,
        shots,
        examples,
        Task(metric, plan.choices, Sampling(max_tokens=plan.max_tokens)),
        finalists=plan.finalists,
        evaluations=plan.evaluations,
        seed=plan.seed,
        cache=settings().cache_dir / "prompt_search" / f"{plan.name}.json",
        progress=progress,
    )
    return result, generator.name


def shot_sets(plan: SearchPlan, pool: tuple[Demonstration, ...]) -> list[Shots]:
    """The sets of demonstrations that a plan names, each once."""
    sets: dict[str, Shots] = {}
    for count in plan.shots:
        if count > len(pool):
            raise InputError(f"{count} shots, but only {len(pool)} demonstrations.", hint="Give more, or fewer shots.")
        named = [(name, _choice(name, seed), seed) for name in plan.choose for seed in plan.seeds] if count else []
        for name, choice, seed in named:
            label = f"{count} {name}" + (f" {seed}" if name in ("random", "balanced") else "")
            sets.setdefault(label, Shots(label, pool, count, choice))
        if not count:
            sets["0"] = Shots("0")
    return list(sets.values())


def _choice(name: Chooser, seed: int) -> DemonstrationChoice:
    if name == "cover":
        from core.models import load_embedder

        return Covering(load_embedder())
    if name == "in_order":
        return InOrder()
    return AtRandom(seed) if name == "random" else LabelBalanced(AtRandom(seed))


def store_winner(plan: SearchPlan, result: SearchResult, model: str) -> Path:
    """Store the winner as the next version of the plan's prompt, with its test figures; returns the file."""
    test = split_examples(read_examples(plan.examples), seed=plan.seed)["test"]
    stored = StoredPrompt(
        plan.name, next_version(plan.name), plan.language, result.best.stored_form(), metric=plan.metric
    )
    evaluation = PromptEvaluation(
        metric=plan.metric,
        **asdict(result.test),
        data=f"{plan.examples.name} (test part)",
        data_sha256=data_sha256(test),
        model=model,
        date=date.today().isoformat(),
        prompt_sha256=stored.sha256,
    )
    return save_prompt(replace(stored, evaluations=(evaluation,)))


def report_text(result: SearchResult, model: str) -> str:
    """All that was tried, as JSON."""
    report = {
        "model": model,
        "sizes": dict(result.sizes),
        "asked": result.asked,
        "candidates": [{"instruction": one.instruction, "shots": one.shots.name} for one in result.candidates],
        "trials": [asdict(trial) for trial in result.trials],
        "winner": result.winner,
        "baseline_test": asdict(result.baseline_test),
        "test": asdict(result.test),
        "gain": asdict(result.gain),
    }
    return json.dumps(report, ensure_ascii=False, indent=2) + "\n"


def read_examples(path: Path) -> list[LabelledInput]:
    """Labelled inputs of a JSON Lines file. Raises `InputError` naming the line."""
    examples = []
    for number, row in _rows(path):
        answers = row.get("answers", [row["answer"]] if "answer" in row else [])
        if not _texts([row.get("input"), row.get("group", "-"), *answers]) or not answers:
            raise InputError(f"'{path.name}', line {number} is no example.", hint='Write {"input": …, "answer": …}.')
        examples.append(LabelledInput(row["input"], tuple(answers), row.get("group", "")))
    return examples


def read_demonstrations(path: Path) -> list[Demonstration]:
    """Demonstrations of a JSON Lines file. Raises `InputError` naming the line."""
    found = []
    for number, row in _rows(path):
        if not _texts([row.get("input"), row.get("answer")]):
            raise InputError(
                f"'{path.name}', line {number} is no demonstration.", hint='Write {"input": …, "answer": …}.'
            )
        found.append(Demonstration(row["input"], row["answer"]))
    return found


def _texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) and value.strip() for value in values)


def _rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    text = decode_text(read_bytes(path, max_bytes=settings().max_upload_bytes), path.name)
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(
                f"'{path.name}', line {number} is not JSON: {error}.", hint="One object a line."
            ) from error
        if not isinstance(row, dict) or not isinstance(row.get("answers", []), list):
            raise InputError(f"'{path.name}', line {number} is no object with texts.", hint="One object a line.")
        rows.append((number, row))
    return rows
