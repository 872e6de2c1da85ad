"""Fields read by a model: located or dropped, with their assertion, apart from the diagnosis."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from apps.medical.evaluation.note_fields import CASES, chinese_notes, english_notes, folded
from apps.medical.records.fields import MAX_SENTENCES, field_kinds, field_schema, read_fields
from apps.medical.records.sections import Section
from apps.medical.report import build_sheet, to_plain_data
from core.inference import Completion
from core.report import to_html, to_markdown, to_text
from core.text import Span


class Scripted:
    """Gives an answer a field; an empty list where none is given."""

    name = "scripted"

    def __init__(self, **answers: list[dict[str, str]]) -> None:
        self.answers = answers
        self.sentences: list[str] = []

    def generate(self, prompts, sampling, progress=None):
        texts = []
        for prompt in prompts:
            asked = prompt[0]["content"]
            self.sentences.append(asked.splitlines()[-1])
            kind = next(kind.name for kind in field_kinds() if f"{kind.name} (" in asked)
            texts.append(json.dumps({kind: self.answers.get(kind, [])}, ensure_ascii=False))
        return [Completion(text, "stop") for text in texts]


def drug(name: str, dose: str = "", frequency: str = "", route: str = "") -> dict[str, str]:
    return {"name": name, "dose": dose, "frequency": frequency, "route": route}


def read(doctor, text: str, **answers):
    reading = read_fields(doctor.read(text), Scripted(**answers))
    told = [
        (field.kind.name, {part: span.of(text) for part, span in field.parts.items()}, field.assertion.status)
        for field in reading.fields
    ]
    return told, reading


def test_a_drug_with_its_parts(doctor):
    told, reading = read(
        doctor, "She takes Metformin 500 mg twice daily.", medications=[drug("metformin", "500mg", "twice daily")]
    )
    assert told == [("medications", {"name": "Metformin", "dose": "500 mg", "frequency": "twice daily"}, "present")]
    assert reading.dropped == 0 and reading.model == "scripted"


def test_what_the_note_does_not_say_is_dropped_and_counted(doctor):
    told, reading = read(
        doctor, "予头孢曲松静滴。", medications=[drug("头孢曲松", "2g", route="静滴"), drug("阿司匹林", "100mg")]
    )
    assert told == [("medications", {"name": "头孢曲松", "route": "静滴"}, "present")]
    assert reading.dropped == 3


@pytest.mark.parametrize(
    ("value", "part"), [("twice", "dose"), ("metformin", "dose"), ("500", "name"), ("o", "frequency")]
)
def test_what_cannot_be_is_dropped(doctor, value: str, part: str):
    entry = drug("metformin")
    entry[part] = value
    told, reading = read(doctor, "She takes metformin 500 mg twice daily.", medications=[entry])
    assert reading.dropped >= 1 and all(part not in parts or parts[part] != value for _, parts, _ in told)


@pytest.mark.parametrize(
    ("text", "name", "status"),
    [
        ("She does not take aspirin.", "aspirin", "absent"),
        ("His father takes warfarin daily.", "warfarin", "family"),
        ("Plan: start carbidopa 25 mg daily.", "carbidopa", "hypothetical"),
        ("患者否认服用激素。", "激素", "absent"),
        ("患者否认服用激素。", "否认服用激素", "absent"),  # the cue is in the words the model copied
        ("家族史：母亲长期服用华法林。", "华法林", "family"),
    ],
)
def test_what_is_said_of_an_entry(doctor, text: str, name: str, status: str):
    told, _ = read(doctor, text, medications=[drug(name)])
    assert [said for _, _, said in told] == [status]


def test_an_entry_told_twice_is_one(doctor):
    told, _ = read(doctor, "She takes metformin 500 mg.", medications=[drug("metformin", "500 mg"), drug("metformin")])
    assert [parts for _, parts, _ in told] == [{"name": "metformin", "dose": "500 mg"}]


@pytest.mark.parametrize("copied", ["阿司匹林100mg", "阿司匹林 100 mg口服", "阿司匹林"])
def test_a_dose_copied_with_the_name_is_not_of_the_name(doctor, copied: str):
    told, _ = read(doctor, f"予{copied}治疗。", medications=[drug(copied)])
    assert [parts["name"] for _, parts, _ in told] == ["阿司匹林"]


def test_a_vital_sign_without_its_value_says_nothing(doctor):
    vitals = [{"name": "blood pressure", "value": "110/70"}, {"name": "pulse", "value": "88"}]
    told, reading = read(doctor, "Blood pressure 110/70, pulse regular.", vitals=vitals)
    assert told == [("vitals", {"name": "Blood pressure", "value": "110/70"}, "present")] and reading.dropped == 2


def test_only_sentences_that_may_say_something_are_asked_about(doctor):
    generator = Scripted()
    read_fields(doctor.read("She has ataxia. Blood pressure was not taken. Her pulse was 80."), generator)
    assert generator.sentences == ["Her pulse was 80."]
    read_fields(doctor.read("现病史：患者共济失调。"), generator)
    assert len(generator.sentences) == 1


def test_signs_within_are_named_and_the_diagnosis_stays_as_it_was(doctor):
    text = "Past medical history: seizures. She has ataxia."
    note = doctor.read(text)
    before = doctor.diagnose("n", note)
    reading = read_fields(note, Scripted(history=[{"name": "seizures"}]))
    (field,) = reading.fields
    assert [doctor.knowledge.ontology.labels[term] for term in field.terms] == ["Seizure"]
    assert field.assertion.status == "historical"
    assert doctor.diagnose("n", note) == before


def test_a_long_note_is_read_in_part_and_says_so(doctor):
    reading = read_fields(doctor.read("She takes aspirin.\n\n" * (MAX_SENTENCES + 5)), Scripted())
    assert reading.sentences == MAX_SENTENCES and reading.is_cut


def test_an_answer_that_is_not_valid_is_counted(doctor):
    class Broken(Scripted):
        def generate(self, prompts, sampling, progress=None):
            return [Completion('{"medications": [', "length") for _ in prompts]

    reading = read_fields(doctor.read("She takes aspirin."), Broken())
    assert reading.failed == 1 and reading.fields == ()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_fields_stand_apart_in_every_report(doctor, language):
    text = "She takes <b>metformin</b> 500 mg. She has ataxia."
    note = doctor.read(text)
    diagnosis = doctor.diagnose("n", note)
    reading = read_fields(note, Scripted(medications=[drug("metformin", "500 mg")]))
    sheet = build_sheet(doctor, diagnosis, language, fields=reading)
    for report in (to_text(sheet), to_markdown(sheet), to_html(sheet)):
        assert "scripted" in report and "500 mg" in report and "<b>metformin" not in report
    data = to_plain_data(doctor, diagnosis, language, fields=reading)
    assert data["fields"]["found"][0]["parts"]["dose"] == {"text": "500 mg", "span": [27, 33]}
    assert "fields" not in to_plain_data(doctor, diagnosis, language)


def test_schemas_are_bounded():
    for kind in field_kinds():
        schema = field_schema(kind, "zh").model_json_schema()
        assert "maxItems" in schema["properties"][kind.name]
        assert all("maxLength" in entry for entry in schema["$defs"]["Entry"]["properties"].values())


def test_the_own_set_names_what_stands_in_its_notes(doctor):
    kinds = {kind.name: kind for kind in field_kinds()}
    for case in yaml.safe_load(CASES.read_text(encoding="utf-8")):
        for entry in case["fields"]:
            for part, value in entry.items():
                if part not in ("field", "status"):
                    assert part in kinds[entry["field"]].parts and folded(value) in folded(case["note"]), case


def test_public_notes_are_read_with_their_drugs(tmp_path: Path):
    lines = ["服 O", "用 O", "华 B_药物", "法 I_药物", "林 I_药物", "叒 O", "好 O", "", "无 O"]
    first, second = chinese_notes(lines)
    assert first.text == "服用华法林\n好" and first.drugs == {"华法林"} and second.drugs == set()
    (tmp_path / "a.txt").write_text("Took Aspirin  EC.")
    (tmp_path / "a.ann").write_text("T1\tMedication 5 16\tAspirin  EC\nT2\tAge 0 4\tTook\nR1\tX\n")
    (tmp_path / "note.txt").write_text("not annotated")
    (note,) = english_notes(tmp_path)
    assert note.drugs == {folded("aspirin ec")}


@pytest.mark.parametrize(
    ("sentence", "asked"),
    [
        ("入院时BP120/80mmHg", True),
        ("T36.5℃", True),
        ("体检T 37.2", True),
        ("P88次/分", True),
        ("R20次/分", True),
        ("查SpO2 98%", True),
        ("吸氧后SpO₂98%", True),
        ("HR88bpm", True),
        ("BP 120/80, pulse 88.", True),
        ("T 36.8, R 18/min", True),
        ("T12椎体压缩性骨折", False),
        ("MRI提示T2高信号2处", False),
        ("P53阳性", False),
        ("HRCT示右肺结节2枚", False),
        ("A compression fracture of T12.", False),
        ("BPH for 3 years.", False),
    ],
)
def test_vital_signs_are_asked_about_with_and_without_spaces(sentence: str, asked: bool):
    (vitals,) = [kind for kind in field_kinds() if kind.name == "vitals"]
    assert vitals.asks(sentence, Section(None, Span(0, len(sentence)))) is asked
