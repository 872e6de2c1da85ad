"""Suite `negex`: is the named condition denied in this sentence of a real report?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.data import dataset
from core.evaluation import Measure, Outcome, Published, Suite, f1_measure, proportion, spread
from core.extraction import AssertionRules
from core.progress import ProgressCallback
from core.text import Span

FILE = "rsAnnotations-1-120-random.txt"
_MOST_FAILURES = 20


@dataclass(frozen=True, slots=True)
class Row:
    """A sentence, the condition in it (its place, None where its words are not there), and the gold label."""

    sentence: str
    condition: str
    span: Span | None
    denied: bool


def read_rows(path: Path) -> list[Row]:
    """All rows. Columns: number, condition, sentence, negation status (the gold label), temporality, experiencer."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    return [_row(line.split("\t")) for line in lines if line.strip()]


def _row(cells: list[str]) -> Row:
    condition, sentence, status = cells[1], cells[2], cells[3]
    start = sentence.find(condition.upper())  # the file writes the condition in capitals where it is meant
    if start < 0:
        start = sentence.lower().find(condition.lower())
    span = Span(start, start + len(condition)) if start >= 0 else None
    return Row(sentence, condition, span, status.strip().lower() == "negated")


def run(limit: int | None, progress: ProgressCallback) -> Outcome:
    """F1 of "negated" over all rows, and over the second half, which nobody looked at while writing rules."""
    rows = read_rows(dataset("negex").file(FILE))
    chosen = spread(len(rows), limit)
    rules = AssertionRules.load("en")
    counts: list[tuple[int, int, int]] = []
    held_out: list[tuple[int, int, int]] = []
    right, failures = 0, []
    for done, index in enumerate(chosen, start=1):
        row = rows[index]
        said = rules.assess(row.sentence, [row.span])[0].polarity == "absent" if row.span else False
        count = (int(said and row.denied), int(said and not row.denied), int(row.denied and not said))
        counts.append(count)
        if index >= len(rows) // 2:
            held_out.append(count)
        right += said == row.denied
        if said != row.denied and index < len(rows) // 2:
            failures.append(f"{'missed' if row.denied else 'wrongly denied'}: {row.condition} | {row.sentence}")
        progress(done, len(chosen))
    metrics: dict[str, Measure] = {
        "f1": f1_measure(counts),
        "f1_held_out": f1_measure(held_out),
        "accuracy": proportion(right, len(chosen)),
    }
    return Outcome(
        n=len(chosen),
        metrics=metrics,
        notes=(
            f"Gold: column 4, 'Negated' ({sum(row.denied for row in rows)} of {len(rows)} rows) against the rest.",
            f"{sum(row.span is None for row in rows)} conditions do not occur literally in their sentence; they count "
            "as not denied.",
            "f1_held_out: the second half of the file; errors of the first half were looked at once while the rules "
            "were written.",
        ),
        failures=tuple(failures[:_MOST_FAILURES]),
    )


SUITE = Suite(
    name="negex",
    title="Negation of a named condition in English report sentences",
    run=run,
    data=("negex",),
    published=(Published("f1", 0.947, "trigger rules on the same set, public data notes"),),
)
