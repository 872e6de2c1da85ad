"""Fields of a note read by a language model: drugs with dose, vital signs, allergies, earlier illnesses.

The model fills a schema sentence by sentence. A value counts only where it stands in the sentence; the rest is dropped
and counted. What is said of it (denied, a relative's, earlier) is read by the rules for findings. Fields take no
part in the diagnosis: signs of the ontology within them were found by the dictionary already, and are named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field, create_model

from apps.medical.records.findings import ClinicalNote, in_section
from apps.medical.records.sections import Section, note_sentences
from core.extraction import Assertion, AssertionRules, tokenise
from core.extraction.assertion import Status
from core.inference import Generator, Sampling
from core.inference.extract import Extraction, extract, extraction_task
from core.progress import ProgressCallback
from core.text import Language, Span

FIELDS_FILE = Path(__file__).with_name("fields.yaml")
MAX_SENTENCES = 60
"""Sentences asked about, over all fields; a longer note is read so far and says so."""
_BATCH = 16
_MOST_ENTRIES = 5
_LONGEST_VALUE = 40
_MAX_TOKENS = 256
_DOSE = re.compile(r"\s*\d+(?:\.\d+)?\s*(?:mg|mcg|µg|g|ml|iu|u|units?|毫克|克|毫升|单位|片|粒)(?![a-z])", re.IGNORECASE)
_GUARDED: tuple[Status, ...] = ("family", "hypothetical", "absent", "uncertain", "historical", "present")
"""A model may copy a clause with the cue in it ("denies asthma"): of what is said of its words the first here holds."""
_INSTRUCTION: dict[Language, str] = {
    "en": "List only what the text names. Leave empty what it does not state.",
    "zh": "只列出文本写明的内容，没有写明的留空；没有则列表为空。",
}


@dataclass(frozen=True, slots=True, eq=False)
class FieldKind:
    """A field that notes have, declared once; the first of `parts` names an entry."""

    name: str
    names: dict[str, str]
    parts: dict[str, dict[str, str]]
    cues: re.Pattern[str]
    sections: frozenset[str]
    needs_figure: bool
    figures: frozenset[str]

    def asks(self, sentence: str, section: Section) -> bool:
        """Whether a sentence may have something to say on this field."""
        if self.needs_figure and not re.search(r"\d", sentence):
            return False
        here = section.kind is not None and section.kind.name in self.sections
        return here or self.cues.search(sentence) is not None


@dataclass(frozen=True, slots=True)
class ReadField:
    """An entry the model read, all of it standing in the note.

    Attributes:
        parts: spans into the note by part.
        terms: signs of the ontology that the dictionary found within it, as positions.
    """

    kind: FieldKind
    parts: dict[str, Span]
    assertion: Assertion
    section: Section
    terms: tuple[int, ...] = ()

    @property
    def span(self) -> Span:
        """Of the part that names it."""
        return self.parts[next(iter(self.kind.parts))]


@dataclass(frozen=True, slots=True)
class FieldReading:
    """All entries in the order of the note.

    Attributes:
        dropped: values left out since they do not stand in their sentence, or cannot be what they are called.
        failed: sentences on which the model gave nothing valid.
        is_cut: whether there were more sentences than are read.
    """

    fields: tuple[ReadField, ...]
    model: str
    sentences: int
    dropped: int = 0
    failed: int = 0
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class _Question:
    """A sentence that the model is asked about."""

    note: ClinicalNote
    kind: FieldKind
    sentence: Span
    section: Section

    @property
    def text(self) -> str:
        return self.sentence.of(self.note.text)


@cache
def field_kinds() -> tuple[FieldKind, ...]:
    """The fields of `fields.yaml`."""
    entries = yaml.safe_load(FIELDS_FILE.read_text(encoding="utf-8"))
    return tuple(
        FieldKind(
            name,
            entry["names"],
            entry["parts"],
            re.compile(entry["cues"], re.IGNORECASE),
            frozenset(entry.get("sections", ())),
            entry.get("figure", False),
            frozenset(entry.get("figures", ())),
        )
        for name, entry in entries.items()
    )


def read_fields(note: ClinicalNote, generator: Generator, progress: ProgressCallback | None = None) -> FieldReading:
    """Read the fields of a note, at most `MAX_SENTENCES` questions of one sentence each."""
    return read_fields_of([note], generator, progress=progress)[0]


def read_fields_of(
    notes: Sequence[ClinicalNote],
    generator: Generator,
    *,
    kinds: Sequence[FieldKind] | None = None,
    progress: ProgressCallback | None = None,
) -> list[FieldReading]:
    """Read the fields of many notes, questions on one field and in one language together."""
    asked = [list(_questions(note, field_kinds() if kinds is None else kinds)) for note in notes]
    groups: dict[tuple[FieldKind, Language], list[_Question]] = {}
    for note, questions in zip(notes, asked, strict=True):
        for question in questions[:MAX_SENTENCES]:
            groups.setdefault((question.kind, note.language), []).append(question)
    total = sum(map(len, groups.values()))
    answers: list[tuple[_Question, Extraction[BaseModel]]] = []
    for (kind, language), group in groups.items():
        for first in range(0, len(group), _BATCH):
            batch = group[first : first + _BATCH]
            texts = [question.text for question in batch]
            schema, sampling = field_schema(kind, language), Sampling(max_tokens=_MAX_TOKENS)
            found = extract(generator, texts, schema, instruction=_INSTRUCTION[language], sampling=sampling)
            answers += zip(batch, found, strict=True)
            if progress is not None:
                progress(len(answers), total)
    return [
        _reading(note, generator.name, answers, is_cut=len(questions) > MAX_SENTENCES)
        for note, questions in zip(notes, asked, strict=True)
    ]


def _reading(
    note: ClinicalNote, model: str, answers: Sequence[tuple[_Question, Extraction[BaseModel]]], *, is_cut: bool
) -> FieldReading:
    own = [(question, answer) for question, answer in answers if question.note is note]
    located = [(question, *located_entries(question.kind, answer, question.text)) for question, answer in own]
    fields = [field for question, entries, _ in located for field in _read(question, entries)]
    return FieldReading(
        fields=tuple(sorted(fields, key=lambda field: field.span)),
        model=model,
        sentences=len(own),
        dropped=sum(dropped for _, _, dropped in located),
        failed=sum(answer.value is None for _, answer in own),
        is_cut=is_cut,
    )


def field_schema(kind: FieldKind, language: Language) -> type[BaseModel]:
    """An object with the list of the field's entries."""
    parts: dict[str, Any] = {part: (str, Field(max_length=_LONGEST_VALUE)) for part in kind.parts}
    entry = create_model("Entry", **parts)
    said = ", ".join(f"{part}: {names[language]}" for part, names in kind.parts.items())
    described = Field(max_length=_MOST_ENTRIES, description=f"{kind.names[language]}; {said}")
    entries: dict[str, Any] = {kind.name: (list[entry], described)}  # type: ignore[valid-type]
    return create_model("Fields", **entries)


def field_prompt(kind: FieldKind, language: Language, sentence: str) -> str:
    """What the model is asked about a sentence of a note in `language`."""
    return extraction_task(sentence, field_schema(kind, language), _INSTRUCTION[language])


def located_entries(kind: FieldKind, answer: Extraction[BaseModel], sentence: str) -> tuple[list[dict[str, Span]], int]:
    """Entries of an answer as spans into the sentence, and how many of its values were dropped.

    An entry without its name goes, and of a field of figures one without its figure; one that repeats another's name is
    the same entry.
    """
    entries: dict[str, dict[str, Span]] = {}
    dropped = 0
    for field in answer.fields:
        entry, _, part = field.path.rpartition(".")
        span = _without_dose(kind, part, field.span, sentence) if field.span else None
        others = entries.setdefault(entry, {}).values()
        if span is None or not _can_be(kind, part, span.of(sentence)) or any(span.overlaps(other) for other in others):
            dropped += 1
        else:
            entries[entry][part] = span
    needed = {next(iter(kind.parts)), *(kind.figures if kind.needs_figure else ())}
    whole = {entry[next(iter(kind.parts))]: entry for entry in reversed(entries.values()) if needed <= entry.keys()}
    partial = [entry for entry in entries.values() if not needed <= entry.keys()]
    return [whole[span] for span in sorted(whole)], dropped + sum(map(len, partial))


def _without_dose(kind: FieldKind, part: str, span: Span, sentence: str) -> Span:
    """The name of a drug without the dose that was copied with it."""
    dose = _DOSE.search(span.of(sentence)) if part == "name" and "dose" in kind.parts else None
    return Span(span.start, span.start + dose.start()) if dose and dose.start() else span


def _can_be(kind: FieldKind, part: str, value: str) -> bool:
    """A figure has a digit, a name letters; a lone letter or mark is nothing."""
    if part in kind.figures:
        return re.search(r"\d", value) is not None
    return re.search(r"[^\W\d_]{2}", value) is not None or (part != "name" and len(value) > 1)


def _questions(note: ClinicalNote, kinds: Sequence[FieldKind]) -> Iterator[_Question]:
    for section in note.sections:
        for sentence in note_sentences(note.text, section.span):
            for kind in kinds:
                if kind.asks(sentence.of(note.text), section):
                    yield _Question(note, kind, sentence, section)


def _read(question: _Question, entries: Sequence[dict[str, Span]]) -> Iterator[ReadField]:
    note, kind, sentence, section = question.note, question.kind, question.sentence, question.section
    tokens = [replace(t, start=t.start + sentence.start, end=t.end + sentence.start) for t in tokenise(question.text)]
    rules = AssertionRules.load(note.language)
    for entry in entries:
        parts = {part: span.shift(sentence.start) for part, span in entry.items()}
        span = parts[next(iter(kind.parts))]
        words = [Span(token.start, token.end) for token in tokens]
        said = [
            in_section(assertion, section)
            for mention in (span, *(word for word in words if span.contains(word)))
            for assertion in rules.assess_sentence(note.text, tokens, [mention])
        ]
        most_guarded = min(said, key=lambda assertion: _GUARDED.index(assertion.status))
        yield ReadField(kind, parts, most_guarded, section, _terms_within(note, span))


def _terms_within(note: ClinicalNote, span: Span) -> tuple[int, ...]:
    return tuple(dict.fromkeys(finding.term for finding in note.findings if span.contains(finding.span)))
