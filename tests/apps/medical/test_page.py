"""The page: samples, pasted and uploaded notes, switching findings off, both languages, empty and error states."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import InputError
from core.inference import Completion

SCRIPT = Path(__file__).parents[3] / "apps" / "medical" / "page.py"


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_file(str(SCRIPT), default_timeout=60).run()


def candidates(page: AppTest) -> list[str]:
    return [expander.label for expander in page.expander if expander.label[:1].isdigit()]


def tables(page: AppTest) -> str:
    return "\n".join(element.proto.body for element in page.get("html"))


def choose(page: AppTest, sample: str) -> AppTest:
    return page.selectbox(key="sample").set_value(sample).run()


def test_a_sample_is_read_on_opening(page):
    assert not page.exception
    assert "not a medical device" in page.warning[0].value
    assert "Telangiectasia" in candidates(page)[0]


def test_the_other_language(page):
    page.sidebar.radio(key="language").set_value("zh").run()
    choose(page, "shaking-hands-zh.txt")
    assert not page.exception
    assert "不是医疗器械" in page.warning[0].value
    assert "肝豆状核变性" in candidates(page)[0]


def test_every_sample_can_be_opened(page):
    for sample in page.selectbox(key="sample").options:
        index = page.selectbox(key="sample").options.index(sample)
        page.selectbox(key="sample").select_index(index).run()
        assert not page.exception and page.expander


def test_a_finding_switched_off_leaves_the_ranking(page):
    choose(page, "shaking-hands-zh.txt")
    before = candidates(page)[0]
    for box in page.checkbox:
        if "HP:0200032" in box.label or "HP:0010837" in box.label:
            box.uncheck()
    page.run()
    assert not page.exception
    assert any("2 finding(s) left out" in text.value for text in page.markdown)
    assert candidates(page)[0] != before


def test_evidence_is_in_the_candidates_own_box(page):
    choose(page, "tall-teenager-en.txt")
    first = next(e for e in page.expander if e.label.startswith("1"))
    text = " ".join(item.value for item in first.markdown)
    assert "PMID" in text and "Aortic root aneurysm" in text and "Against" in text


def test_nothing_pasted_yet_asks_for_a_note(page):
    page.radio(key="source").set_value("paste").run()
    assert any("paste or upload" in info.value for info in page.info) and not candidates(page)


def test_a_pasted_note_without_findings_says_so(page):
    page.radio(key="source").set_value("paste").run()
    page.text_area(key="pasted").set_value("All is well.").run()
    assert not page.exception and not candidates(page)
    assert any("No sign of the phenotype ontology" in info.value for info in page.info)


def test_too_little_is_said(page):
    page.radio(key="source").set_value("paste").run()
    page.text_area(key="pasted").set_value("The patient has fever.").run()
    assert any("Only one finding" in warning.value for warning in page.warning)


def test_markup_in_a_pasted_note_stays_text(page):
    page.radio(key="source").set_value("paste").run()
    page.text_area(key="pasted").set_value("<script>alert(1)</script> seizures and ataxia $x^2$ :red[x]").run()
    assert not page.exception and candidates(page)
    assert not any("<script>" in item.value for item in page.markdown)


def test_an_upload_that_is_no_text_is_an_error_box(page):
    page.radio(key="source").set_value("upload").run()
    page.file_uploader(key="note_upload").set_value(("note.txt", b"\x7fELF\x00\x01", "text/plain")).run()
    assert not page.exception
    assert any("program" in error.value for error in page.error)


def test_an_uploaded_note_is_read(page):
    note = "患儿男，4岁，震颤、构音障碍，角膜K-F环阳性。".encode()
    page.radio(key="source").set_value("upload").run()
    page.file_uploader(key="note_upload").set_value(("note.txt", note, "text/plain")).run()
    assert not page.exception and "Wilson" in candidates(page)[0]


class Answering:
    """Repeats a template it is asked to word; reads one allergy."""

    name = "answering"

    def generate(self, prompts, sampling, progress=None):
        asked = [prompt[0]["content"] for prompt in prompts]
        return [Completion(self.answer(text), "stop") for text in asked]

    def answer(self, asked: str) -> str:
        if "Fields:" in asked:
            kind = asked.split("Fields: ")[1].split(" ")[0]
            return json.dumps({kind: [{"name": "latex"}] if kind == "allergies" else []})
        return asked.split("\n\n", 1)[1]


def test_fields_and_summary_are_added_on_demand(page, monkeypatch):
    monkeypatch.setattr("core.inference.load_generator", lambda name=None: Answering())
    page.radio(key="source").set_value("paste").run()
    page.text_area(key="pasted").set_value("She has ataxia and tremor. She is allergic to latex.").run()
    before = candidates(page)
    assert "substance: latex" not in tables(page)
    page.toggle(key="fields").set_value(True).run()
    page.toggle(key="phrase").set_value(True).run()
    assert not page.exception and candidates(page) == before
    assert "substance: latex" in tables(page) and "every sentence supported" in tables(page)
    assert any("Fields read by the language model (1)" in header.value for header in page.subheader)


def test_a_missing_model_is_an_error_box(page, monkeypatch):
    def absent(name=None):
        raise InputError("The model is not here.", hint="Fetch it.")

    monkeypatch.setattr("core.inference.load_generator", absent)
    choose(page, "tired-worker-en.txt")
    page.toggle(key="phrase").set_value(True).run()
    assert not page.exception and "not here" in page.error[0].value and candidates(page)
