"""Suites `note-fields` and `drugs`: fields that the language model reads, on our own notes and on public ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from apps.medical.analysis import diagnostician
from apps.medical.records.fields import FIELDS_FILE, FieldReading, ReadField, field_kinds, read_fields_of
from core.data import dataset
from core.evaluation import Measure, Outcome, Suite, f1_measure, proportion, spread
from core.inference import load_generator
from core.progress import ProgressCallback

CASES = Path(__file__).with_name("note_fields.yaml")
_MOST_FAILURES = 20
_LINE_MARK = "叒"  # stands for a line break in the public Chinese set
_DRUG_ZH, _DRUG_EN = "药物", "Medication"
Counts = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class DrugNote:
    """A public note and the drugs named in it by hand."""

    text: str
    drugs: frozenset[str]


def folded(value: str) -> str:
    """A value in lower case without white space."""
    return re.sub(r"\s+", "", value).casefold()


def run_own(limit: int | None, progress: ProgressCallback) -> Outcome:
    """Entries, their parts and their status on our own notes."""
    cases: list[dict[str, Any]] = yaml.safe_load(CASES.read_text(encoding="utf-8"))
    chosen = [cases[index] for index in spread(len(cases), limit)]
    doctor, generator = diagnostician(), load_generator()
    entries: list[Counts] = []
    parts: list[Counts] = []
    statuses: list[bool] = []
    failures: list[str] = []
    dropped = 0
    notes = [doctor.read(case["note"]) for case in chosen]
    for case, note, reading in zip(chosen, notes, read_fields_of(notes, generator, progress=progress), strict=True):
        dropped += reading.dropped
        wanted = {(entry["field"], folded(entry["name"])): entry for entry in case["fields"]}
        given = {(field.kind.name, folded(field.span.of(note.text))): field for field in reading.fields}
        entries.append(_counts(given, wanted))
        parts.append(_counts(_parts_read(given, note.text), _parts_wanted(wanted)))
        for key in given.keys() & wanted.keys():
            statuses.append(given[key].assertion.status == wanted[key]["status"])
        if set(given) != set(wanted):
            failures.append(f"{case['note'][:60]!r}: {sorted(given)}, not {sorted(wanted)}")
    metrics = {**_measures("entry", entries), **_measures("part", parts)}
    metrics["status_accuracy"] = proportion(sum(statuses), len(statuses))
    return Outcome(
        n=len(chosen),
        metrics=metrics,
        notes=(
            f"Model: {generator.name}. {dropped} values were dropped since they do not stand in the note. An entry is "
            f"right with its whole name; status over {len(statuses)} right entries.",
            "Notes written by the authors of the product.",
        ),
        failures=tuple(failures[:_MOST_FAILURES]),
    )


def _parts_read(given: dict[tuple[str, str], ReadField], text: str) -> set[tuple[str, str, str, str]]:
    return {(*key, part, folded(span.of(text))) for key, field in given.items() for part, span in field.parts.items()}


def _parts_wanted(wanted: dict[tuple[str, str], dict[str, Any]]) -> set[tuple[str, str, str, str]]:
    return {
        (*key, part, folded(value))
        for key, entry in wanted.items()
        for part, value in entry.items()
        if part not in ("field", "status")
    }


def _counts(given: Iterable[object], wanted: Iterable[object]) -> Counts:
    found, expected = set(given), set(wanted)
    return len(found & expected), len(found - expected), len(expected - found)


def _measures(name: str, rows: Sequence[Counts]) -> dict[str, Measure]:
    right, wrong, missed = (sum(column) for column in zip(*rows, strict=True)) if rows else (0, 0, 0)
    return {
        f"{name}_precision": proportion(right, right + wrong),
        f"{name}_recall": proportion(right, right + missed),
        f"{name}_f1": f1_measure(rows),
    }


def chinese_notes(lines: Iterable[str]) -> Iterator[DrugNote]:
    """Notes of a file with a character and its label a line, an empty line between notes."""
    characters: list[str] = []
    drugs: list[str] = []
    for line in [*lines, ""]:
        cells = line.split()
        if len(cells) == 2:
            character, label = cells
            characters.append("\n" if character == _LINE_MARK else character)
            if label == f"B_{_DRUG_ZH}":
                drugs.append(character)
            elif label == f"I_{_DRUG_ZH}" and drugs:
                drugs[-1] += character
        elif characters:
            yield DrugNote("".join(characters), frozenset(map(folded, drugs)))
            characters, drugs = [], []


def english_notes(folder: Path) -> Iterator[DrugNote]:
    """Case reports with their drugs, from brat files."""
    for path in sorted(folder.glob("*.ann")):
        cells = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line[:1] == "T"]
        drugs = frozenset(folded(cell[2]) for cell in cells if cell[1].split()[0] == _DRUG_EN)
        yield DrugNote(path.with_suffix(".txt").read_text(encoding="utf-8"), drugs)


def run_drugs(limit: int | None, progress: ProgressCallback) -> Outcome:
    """Drugs named in real notes: the set of names of each, exactly as annotated."""
    test = dataset("cehrner").file("test.txt").read_text(encoding="utf-8").splitlines()
    groups = {"zh": list(chinese_notes(test)), "en": list(english_notes(dataset("maccrobat").path()))}
    chosen = {language: [notes[index] for index in spread(len(notes), limit)] for language, notes in groups.items()}
    doctor, generator = diagnostician(), load_generator()
    kinds = [kind for kind in field_kinds() if kind.name == "medications"]
    metrics: dict[str, Measure] = {}
    failures, cut = [], 0
    for language, notes in chosen.items():
        rows = []
        read = [doctor.read(note.text) for note in notes]
        readings = read_fields_of(read, generator, kinds=kinds, progress=progress)
        for drug_note, reading in zip(notes, readings, strict=True):
            names = drug_names(reading, drug_note.text)
            rows.append(_counts(names, drug_note.drugs))
            cut += reading.is_cut
            if names != drug_note.drugs:
                failures.append(f"{language}: {sorted(names)[:8]}, not {sorted(drug_note.drugs)[:8]}")
        metrics |= _measures(language, rows)
    return Outcome(
        n=sum(map(len, chosen.values())),
        metrics=metrics,
        notes=(
            f"Model: {generator.name}, not trained on the sets. {len(chosen['zh'])} Chinese notes (cEHRNER test), "
            f"{len(chosen['en'])} English case reports (MACCROBAT); {cut} were read in part.",
            "A drug is right with its whole name as annotated, once a note. Systems trained on the sets report F1 over "
            "all entity types and are not comparable.",
        ),
        failures=tuple(failures[:_MOST_FAILURES]),
    )


def drug_names(reading: FieldReading, text: str) -> frozenset[str]:
    """The names that were read, folded."""
    return frozenset(folded(field.span.of(text)) for field in reading.fields)


SUITES = (
    Suite(
        name="note-fields",
        title="Own notes, zh and en: drugs, vital signs, allergies, history by the language model",
        run=run_own,
        files=(CASES, FIELDS_FILE),
    ),
    Suite(
        name="drugs",
        title="Drugs in real notes (cEHRNER zh, MACCROBAT en) by the language model",
        run=run_drugs,
        data=("cehrner", "maccrobat"),
        files=(FIELDS_FILE,),
    ),
)
