"""What a run came to, as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from core.evaluation.intervals import Measure
from core.training.pipeline.bench import Bench
from core.training.pipeline.evaluation import Evaluation
from core.training.pipeline.progress import duration
from core.training.pipeline.promotion import Verdict
from core.training.pipeline.stages import StageResult

_SHOWN_CHARACTERS = 400
START = "start"


def make_report(
    bench: Bench,
    results: Sequence[StageResult],
    validation: dict[str, Evaluation],
    test: dict[str, Evaluation],
    verdict: Verdict | None,
) -> dict[str, Any]:
    """The report as plain JSON values.

    Args:
        validation: evaluations by name, "start" first, then "1-sft" and so on.
        test: those of the start and of the end.
    """
    recipe = bench.recipe
    return {
        "recipe": recipe.model_dump(mode="json"),
        "data": {
            "name": bench.data.name,
            "sha256": bench.data_sha256,
            "examples": {name: len(bench.data.split(name)) for name in ("train", "validation", "test")},
        },
        "stages": [result.model_dump(mode="json") for result in results],
        "validation": _table(validation, recipe.metrics),
        "test": _table(test, recipe.metrics),
        "promotion": _verdict(verdict),
        "samples": _samples(bench, test),
    }


def _table(evaluations: dict[str, Evaluation], metrics: Sequence[str]) -> dict[str, Any]:
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


def _samples(bench: Bench, test: dict[str, Evaluation]) -> list[dict[str, Any]]:
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


def report_markdown(report: dict[str, Any]) -> str:
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
