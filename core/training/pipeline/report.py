"""What a run came to, as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from core.evaluation.intervals import Measure
from core.files import write_atomic
from core.training.data.records import SPLITS
from core.training.pipeline.bench import Bench
from core.training.pipeline.classes.labelled import LabelledData
from core.training.pipeline.classes.recipe import ClassRecipe
from core.training.pipeline.evaluation import Evaluation
from core.training.pipeline.examples import RecipeData
from core.training.pipeline.progress import duration
from core.training.pipeline.promotion import Verdict
from core.training.pipeline.recipe import Recipe
from core.training.pipeline.results import StageResult

_SHOWN_CHARACTERS = 400
START = "start"


class Evaluated(Protocol):
    """An evaluation of one split."""

    def measure(self, metric: str, /) -> Measure: ...

    def over(self, other: Self, metric: str, /) -> Measure: ...


E = TypeVar("E", bound=Evaluated)


def make_report(
    recipe: Recipe | ClassRecipe,
    data: dict[str, Any],
    results: Sequence[StageResult],
    validation: Mapping[str, E],
    test: Mapping[str, E],
    verdict: Verdict | None,
    samples: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The report as plain JSON values.

    Args:
        data: see `about_data`.
        validation: evaluations by name, "start" first, then "1-sft" and so on.
        test: those of the start and of the end.
        samples: what was answered or found in some examples of test.
    """
    return {
        "recipe": recipe.model_dump(mode="json"),
        "data": data,
        "stages": [result.model_dump(mode="json") for result in results],
        "validation": _table(validation, recipe.metrics),
        "test": _table(test, recipe.metrics),
        "promotion": _verdict(verdict),
        "samples": list(samples),
    }


def about_data(data: RecipeData | LabelledData, sha256: str) -> dict[str, Any]:
    """Name, hash and sizes of what was learned from."""
    return {
        "name": data.name,
        "sha256": sha256,
        "examples": {name: len(data.split(name)) for name in SPLITS},
    }


def _table(evaluations: Mapping[str, E], metrics: Sequence[str]) -> dict[str, Any]:
    start = evaluations[START]
    table: dict[str, Any] = {}
    for name, evaluation in evaluations.items():
        table[name] = {
            metric: {
                "measure": asdict(evaluation.measure(metric)),
                "over_start": None if name == START else asdict(evaluation.over(start, metric)),
            }
            for metric in metrics
        }
    return table


def _verdict(verdict: Verdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    return {**asdict(verdict), "difference": asdict(verdict.difference) if verdict.difference else None}


def answers_shown(bench: Bench, test: Mapping[str, Evaluation]) -> list[dict[str, Any]]:
    """Some answers on test, beside the reference."""
    from core.evaluation.suite import spread

    examples = bench.data.test
    return [
        {
            "id": examples[place].id,
            "question": examples[place].context.prompt,
            "reference": examples[place].references[0] if examples[place].references else None,
            **{name: evaluation.answers[place].text for name, evaluation in test.items()},
        }
        for place in spread(len(examples), bench.recipe.evaluate.samples)
    ]


def write_report(folder: Path, report: Mapping[str, Any]) -> None:
    """Write `report.json` and `report.md`."""
    write_atomic(folder / "report.json", json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    write_atomic(folder / "report.md", report_markdown(report))


def report_markdown(report: Mapping[str, Any]) -> str:
    """The report as people read it."""
    recipe, data = report["recipe"], report["data"]
    counts = ", ".join(f"{count} {name}" for name, count in data["examples"].items())
    lines = [
        f"# {recipe['name']}",
        "",
        f"{recipe['model']}, seed {recipe['seed']}; data '{data['name']}' ({counts})",
        "",
    ]
    for split in ("validation", "test"):
        note = "checkpoints were chosen on it" if split == "validation" else "looked at once, at the end"
        lines += [f"## On {split} ({data['examples'][split]} examples; {note})", ""]
        lines += _markdown_table(report[split])
    lines += ["Intervals are 95 %, by bootstrap over groups; differences are paired.", "", "## Stages", ""]
    for number, stage in enumerate(report["stages"], start=1):
        best = (
            f"; best at step {stage['best_step']}, {stage['best_value']:.4g}" if stage["best_step"] is not None else ""
        )
        lines.append(f"{number}. {stage['kind']}: {stage['steps']} steps in {duration(stage['seconds'])}{best}")
        lines += [f"   - {warning}" for warning in stage["warnings"]]
    if report["promotion"] is not None:
        lines += ["", "## Promotion", "", report["promotion"]["reason"]]
    if report["samples"]:
        lines += ["", "## Some answers on test", ""]
    for sample in report["samples"]:
        lines += [f"- {name}: {_short(text)}" for name, text in sample.items() if text is not None]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _markdown_table(table: dict[str, Any]) -> list[str]:
    metrics = list(next(iter(table.values())))
    lines = ["| | " + " | ".join(metrics) + " |", "|---" * (len(metrics) + 1) + "|"]
    for name, row in table.items():
        cells = [_cell(Measure(**row[metric]["measure"]), row[metric]["over_start"]) for metric in metrics]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _cell(measure: Measure, over: dict[str, float] | None) -> str:
    cell = f"{measure.value:.3f} [{measure.low:.3f}, {measure.high:.3f}]"
    return cell + (f" ({over['value']:+.3f} [{over['low']:+.3f}, {over['high']:+.3f}])" if over else "")


def _short(text: str) -> str:
    """In one line; text of a model or a document cannot begin a heading or a table there."""
    line = " ".join(text.split())
    line = line if len(line) <= _SHOWN_CHARACTERS else line[:_SHOWN_CHARACTERS] + "…"
    return line.replace("|", "\\|").replace("<", "&lt;")
