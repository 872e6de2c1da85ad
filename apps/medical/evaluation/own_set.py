"""Suite `medical`: the product's own test set (`cases.yaml`), no download needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from apps.medical.analysis import Diagnostician, diagnostician
from core.evaluation import Measure, Outcome, Suite, proportion, spread
from core.progress import ProgressCallback
from core.text import detect_language

CASES = Path(__file__).with_name("cases.yaml")
_MOST_FAILURES = 20
_AGE_TOLERANCE_YEARS = 0.01


@dataclass(frozen=True, slots=True)
class Item:
    """One test note: its kind, its text, and what must come of it."""

    kind: str
    note: str
    expected: Mapping[str, Any]


def load_items() -> list[Item]:
    """All items, kinds mixed in file order."""
    raw = yaml.safe_load(CASES.read_text(encoding="utf-8"))
    return [
        Item(kind, entry["note"], {key: value for key, value in entry.items() if key != "note"})
        for kind, entries in raw.items()
        for entry in entries
    ]


def check(doctor: Diagnostician, item: Item) -> str | None:
    """What is wrong with the product's answer to `item`; None where it is right."""
    return _CHECKS[item.kind](doctor, item)


def _check_assertion(doctor: Diagnostician, item: Item) -> str | None:
    note = doctor.read(item.note)
    labels = doctor.knowledge.ontology.labels
    read: dict[str, set[str]] = {}
    for finding in note.findings:
        read.setdefault(labels[finding.term], set()).add(finding.assertion.status)
    for sign, status in item.expected["expect"].items():
        if status not in read.get(sign, set()):
            return f"{sign} should be {status}, was {sorted(read[sign]) if sign in read else 'not found'}"
    for sign in item.expected.get("none", ()):
        if sign in read:
            return f"{sign} is no finding here, was {sorted(read[sign])}"
    return None


def _check_patient(doctor: Diagnostician, item: Item) -> str | None:
    note = doctor.read(item.note)
    age = note.age.years if note.age else None
    sex = note.sex.sex if note.sex else None
    wanted_age, wanted_sex = item.expected["age"], item.expected["sex"]
    right_age = age == wanted_age or (
        age is not None and wanted_age is not None and abs(age - wanted_age) < _AGE_TOLERANCE_YEARS
    )
    return None if right_age and sex == wanted_sex else f"should be {wanted_age}, {wanted_sex}; was {age}, {sex}"


def _check_diagnosis(doctor: Diagnostician, item: Item) -> str | None:
    top = item.expected["top"]
    diagnosis = doctor.diagnose("case", doctor.read(item.note), top=top)
    ids = doctor.knowledge.diseases
    listed = {
        name
        for candidate in diagnosis.differential.candidates
        for disease in (candidate.disease, *candidate.same_name)
        for name in (ids[disease], *doctor.knowledge.aliases[disease])
    }
    if listed & set(item.expected["diagnosis"]):
        return None
    return f"{item.expected['diagnosis'][0]} should be among the first {top}, these are {sorted(listed)}"


def _check_reserve(doctor: Diagnostician, item: Item) -> str | None:
    reason = doctor.diagnose("case", doctor.read(item.note)).differential.insufficient
    wanted = item.expected["reason"]
    return None if reason == wanted else f"should hold back for '{wanted}', was {reason!r}"


_CHECKS: Mapping[str, Callable[[Diagnostician, Item], str | None]] = {
    "assertion": _check_assertion,
    "patient": _check_patient,
    "diagnosis": _check_diagnosis,
    "reserve": _check_reserve,
}


def run(limit: int | None, progress: ProgressCallback) -> Outcome:
    """Check every item; `accuracy` over all, and by kind and language."""
    doctor = diagnostician()
    items = load_items()
    chosen = [items[index] for index in spread(len(items), limit)]
    groups: dict[str, list[bool]] = {"accuracy": []}
    failures = []
    for done, item in enumerate(chosen, start=1):
        problem = check(doctor, item)
        for group in ("accuracy", item.kind, detect_language(item.note)):
            groups.setdefault(group, []).append(problem is None)
        if problem:
            failures.append(f"{item.note[:60]!r}: {problem}")
        progress(done, len(chosen))
    metrics: dict[str, Measure] = {name: proportion(sum(hits), len(hits)) for name, hits in groups.items()}
    return Outcome(
        n=len(chosen),
        metrics=metrics,
        notes=(
            "Notes written for the project by its authors, who also wrote the rules: read it as a regression test.",
            "n by group: " + ", ".join(f"{name} {len(hits)}" for name, hits in groups.items()),
        ),
        failures=tuple(failures[:_MOST_FAILURES]),
    )


SUITE = Suite(
    name="medical",
    title="Own notes, zh and en: assertion, patient, diagnosis, holding back",
    run=run,
    files=(CASES,),
)
