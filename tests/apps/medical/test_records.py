"""Sections, patient, findings of whole notes, and what they add up to."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.medical.records.findings import MAX_NOTE_CHARACTERS, reconcile
from apps.medical.records.patient import read_age, read_sex
from apps.medical.records.pipeline import annotate
from apps.medical.records.sections import find_sections, note_sentences
from core.errors import InputError
from core.text import Span


def kinds(text: str) -> list[tuple[str | None, str]]:
    return [(s.kind.name if s.kind else None, s.span.of(text).strip()[:12]) for s in find_sections(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Family history: none.\nExamination: normal.",
        "FAMILY HISTORY\nnone\n\nEXAMINATION\nnormal",
        "## Family history\nnone\n## Examination\nnormal",
        "**Family history:** none\n**Examination:** normal",
        "Family history: none. Examination: normal.",
    ],
)
def test_english_headings_in_their_usual_dress(text: str):
    assert [kind for kind, _ in kinds(text)] == ["family_history", "examination"]


@pytest.mark.parametrize(
    "text",
    [
        "家族史：无。\n查体：正常。",
        "【家族史】无。\n【查体】正常。",
        "一、家族史\n无\n二、查体\n正常",
        "家族史：无。查体：正常。",
    ],
)
def test_chinese_headings_in_their_usual_dress(text: str):
    assert [kind for kind, _ in kinds(text)] == ["family_history", "examination"]


def test_text_before_the_first_heading_and_words_that_are_no_heading():
    text = "Letter.\nPlan: rest. The family history is long and the examination was short."
    assert [kind for kind, _ in kinds(text)] == [None, "plan"]


@given(st.text(alphabet="ab 家族史：查体。:\n.Plan", max_size=80))
def test_sections_cover_the_note_without_gaps(text: str):
    sections = find_sections(text)
    assert "".join(section.span.of(text) for section in sections).strip() == text.strip()
    assert all(a.span.end == b.span.start for a, b in pairwise(sections))
    for section in sections:
        for sentence in note_sentences(text, section.span):
            assert section.span.contains(sentence) and sentence.of(text).strip() == sentence.of(text)


def test_lines_end_sentences_unless_wrapped():
    text = "No fever\nCough since Monday\nNo rash or\nitching, and no\npain"
    assert [s.of(text) for s in note_sentences(text, Span(0, len(text)))] == [
        "No fever",
        "Cough since Monday",
        "No rash or\nitching, and no\npain",
    ]


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("A 7-year-old girl", 7),
        ("a seven year old girl", 7),
        ("an 18-month-old boy", 1.5),
        ("34 yo female", 34),
        ("Age: 60", 60),
        ("ataxia since the age of 3 years", None),
        ("first seen at 3 years of age", None),
        ("a 300-year-old house", None),
    ],
)
def test_english_ages(text: str, years: float | None):
    age = read_age(text, "en")
    assert (age and age.years) == years


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("患儿男，2岁6个月", 2.5),
        ("患者，女性，45岁，10岁起病", 45),
        ("年龄：8个月", 8 / 12),
        ("患者为34岁男性", 34),
        ("3岁起走路不稳", None),
    ],
)
def test_chinese_ages(text: str, years: float | None):
    age = read_age(text, "zh")
    assert (age and age.years) == (pytest.approx(years) if years else None)


@pytest.mark.parametrize(
    ("text", "language", "sex"),
    [
        ("A 7-year-old previously healthy girl", "en", "female"),
        ("Sex: M", "en", "male"),
        ("a male infant; his mother is 30", "en", "male"),
        ("The patient has a sister.", "en", None),
        ("患儿男，3岁", "zh", "male"),
        ("性别：女", "zh", "female"),
        ("其母为女性工人", "zh", None),
    ],
)
def test_sexes(text: str, language: str, sex: str | None):
    reading = read_sex(text, language)
    assert (reading and reading.sex) == sex


def test_a_relatives_age_in_the_family_history_is_not_the_patients(doctor):
    note = doctor.read("Family history: A 50-year-old woman, the mother, has tremor.\nExamination: a 9-year-old boy.")
    assert note.age is not None and note.age.years == 9
    assert note.sex is not None and note.sex.sex == "male"
    assert note.age.span.of(note.text) == "9-year-old"


def test_every_finding_quotes_the_note(doctor, samples):
    for text in samples.values():
        note = doctor.read(text)
        assert note.findings
        for finding in note.findings:
            assert finding.span.of(text) == finding.text
            assert finding.sentence.contains(finding.span)
            for fired in finding.assertion.fired:
                assert fired.span.of(text) == fired.cue


def test_sections_speak_where_the_sentence_is_silent(doctor):
    text = "Family history: epilepsy.\nPast medical history: cataract.\nPlan: scoliosis.\nExamination: ataxia."
    read = {f.text: f.assertion.status for f in doctor.read(text).findings}
    assert read == {"epilepsy": "family", "cataract": "historical", "scoliosis": "hypothetical", "ataxia": "present"}


def test_the_spacy_pipeline_reads_the_same(doctor, samples):
    ontology = doctor.knowledge.ontology
    for language in ("zh", "en"):
        texts = [text for name, text in samples.items() if name.endswith(f"{language}.txt")]
        for text, doc in zip(texts, annotate(texts, ontology, language), strict=True):
            plain = [(f.span.start, f.span.end, ontology.ids[f.term], f.assertion) for f in doctor.read(text).findings]
            assert [(s.start_char, s.end_char, s.label_, s._.assertion) for s in doc.spans["terms"]] == plain
            absent = [s.text for s in doc.spans["absent"]]
            assert absent == [f.text for f in doctor.read(text).findings if f.assertion.status == "absent"]


def labels(doctor, terms) -> set[str]:
    return {doctor.knowledge.ontology.labels[term] for term in terms}


def test_reconciling_mentions(doctor):
    ontology = doctor.knowledge.ontology
    note = doctor.read(
        "Seizures at two. No seizures now. Hand tremor and tremor. No nystagmus. No ataxia but gait ataxia."
    )
    result = reconcile(note, ontology)
    assert labels(doctor, result.case.present) == {"Seizure", "Hand tremor", "Gait ataxia"}
    assert labels(doctor, result.case.absent) == {"Nystagmus"}
    remarks = {(kind, ontology.labels[term]) for kind, term in result.remarks}
    assert remarks == {("contradicted", "Seizure"), ("implied", "Tremor"), ("refined", "Ataxia")}


def test_a_finding_can_be_switched_off(doctor):
    note = doctor.read("Ataxia and tremor. No nystagmus.")
    result = reconcile(note, doctor.knowledge.ontology, switched_off=[0, 2])
    assert labels(doctor, result.case.present) == {"Tremor"} and result.case.absent == ()


@pytest.mark.parametrize("text", ["", "  \n"])
def test_no_text_is_an_error(doctor, text: str):
    with pytest.raises(InputError):
        doctor.read(text)


def test_a_book_is_an_error(doctor):
    with pytest.raises(InputError, match="limit"):
        doctor.read("a" * (MAX_NOTE_CHARACTERS + 1))


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_without_a_crash(doctor, text: str):
    if text.strip():
        for finding in doctor.read(text).findings:
            assert finding.span.of(text) == finding.text
