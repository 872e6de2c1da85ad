"""Reading a clinical note: every mention of a sign with its place, what is said of it, and why it was read so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from apps.medical.case import Case
from apps.medical.knowledge.ontology import Ontology
from apps.medical.knowledge.vocabulary import NOT_A_FINDING, build_dictionary
from apps.medical.records.patient import Age, SexReading, read_age, read_sex
from apps.medical.records.sections import Section, SectionKind, find_sections, note_sentences
from core.errors import InputError
from core.extraction import Assertion, AssertionRules, FiredRule, tokenise
from core.text import Language, Span, detect_language

MAX_NOTE_CHARACTERS = 200_000
_OF_THE_PATIENT = ("present", "historical")


@dataclass(frozen=True, slots=True)
class Finding:
    """One mention. `term` is the position of the sign in the ontology, `text` the words of the note."""

    term: int
    span: Span
    text: str
    assertion: Assertion
    section: SectionKind | None
    sentence: Span

    @property
    def counts_as_present(self) -> bool:
        return self.assertion.status in _OF_THE_PATIENT

    @property
    def counts_as_absent(self) -> bool:
        return self.assertion.status == "absent"


@dataclass(frozen=True, slots=True)
class ClinicalNote:
    """A note as read. Findings are in the order of the text."""

    text: str
    language: Language
    sections: tuple[Section, ...]
    findings: tuple[Finding, ...]
    age: Age | None
    sex: SexReading | None


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What the mentions add up to for the patient, and remarks on what had to be decided on the way."""

    case: Case
    remarks: tuple[tuple[str, int], ...]  # (kind, term); kinds: "contradicted", "implied", "refined"


def read_note(text: str, ontology: Ontology, *, language: Language | None = None) -> ClinicalNote:
    """Read a note in Chinese or English (detected where not given).

    Raises:
        InputError: no text, or more of it than any note has (`MAX_NOTE_CHARACTERS`).
    """
    if not text.strip():
        raise InputError("The note has no text.", hint="Paste or choose a clinical note.")
    if len(text) > MAX_NOTE_CHARACTERS:
        raise InputError(
            f"The note has {len(text):,} characters, the limit is {MAX_NOTE_CHARACTERS:,}.",
            hint="Hand in one patient's note at a time.",
        )
    language = language or detect_language(text)
    sections = tuple(find_sections(text))
    findings = tuple(f for section in sections for f in _read_section(text, section, ontology, language))
    own_words = [section for section in sections if section.kind is None or section.kind.experiencer == "patient"]
    return ClinicalNote(
        text=text,
        language=language,
        sections=sections,
        findings=findings,
        age=_first_age(text, own_words, language),
        sex=_first_sex(text, own_words, language),
    )


def _first_age(text: str, sections: Iterable[Section], language: str) -> Age | None:
    read = (age.shift(s.span.start) for s in sections if (age := read_age(s.span.of(text), language)))
    return next(read, None)


def _first_sex(text: str, sections: Iterable[Section], language: str) -> SexReading | None:
    read = (sex.shift(s.span.start) for s in sections if (sex := read_sex(s.span.of(text), language)))
    return next(read, None)


def _read_section(text: str, section: Section, ontology: Ontology, language: Language) -> list[Finding]:
    dictionary, rules = build_dictionary(ontology, language), AssertionRules.load(language)
    findings = []
    for sentence in note_sentences(text, section.span):
        tokens = [
            replace(t, start=t.start + sentence.start, end=t.end + sentence.start) for t in tokenise(sentence.of(text))
        ]
        matches = [match for match in dictionary.find_in(text, tokens) if match.code != NOT_A_FINDING]
        spans = [match.span for match in matches]
        for match, assertion in zip(matches, rules.assess_sentence(text, tokens, spans), strict=True):
            findings.append(
                Finding(
                    term=ontology.positions[match.code],
                    span=match.span,
                    text=match.span.of(text),
                    assertion=in_section(assertion, section),
                    section=section.kind,
                    sentence=sentence,
                )
            )
    return findings


def in_section(assertion: Assertion, section: Section) -> Assertion:
    """Fill in what the section says where the sentence says nothing: relatives' findings, or earlier ones."""
    kind, here = section.kind, Span(section.span.start, section.span.start)
    if kind is None:
        return assertion
    patient_named = any(fired.says == "patient" for fired in assertion.fired)
    if kind.experiencer == "family" and assertion.experiencer == "patient" and not patient_named:
        fired = FiredRule(f"section:{kind.name}", here, "", "family")
        assertion = replace(assertion, experiencer="family", fired=(*assertion.fired, fired))
    if kind.time != "current" and assertion.time == "current":
        fired = FiredRule(f"section:{kind.name}", here, "", kind.time)
        assertion = replace(assertion, time=kind.time, fired=(*assertion.fired, fired))
    return assertion


def reconcile(note: ClinicalNote, ontology: Ontology, *, switched_off: Iterable[int] = ()) -> Reconciled:
    """What the patient has and has not, over all mentions.

    A sign both stated and denied counts as present (a later or more careful look found it). A sign that a more
    specific one implies is dropped, present or absent.

    Args:
        switched_off: indices into `note.findings` to leave out.
    """
    off = set(switched_off)
    kept = [finding for index, finding in enumerate(note.findings) if index not in off]
    present = list(dict.fromkeys(f.term for f in kept if f.counts_as_present))
    absent = list(dict.fromkeys(f.term for f in kept if f.counts_as_absent))
    specific = ontology.most_specific(present)
    implied = {int(a) for term in present for a in ontology.ancestors.row(term)}
    remarks = [("implied", term) for term in present if term not in specific]
    remarks += [("contradicted", term) for term in absent if term in present]
    remarks += [("refined", term) for term in absent if term in implied and term not in present]
    case = Case(
        present=tuple(specific),
        absent=tuple(term for term in absent if term not in implied),
        sex=note.sex.sex if note.sex else None,
        age_years=note.age.years if note.age else None,
    )
    return Reconciled(case, tuple(remarks))
