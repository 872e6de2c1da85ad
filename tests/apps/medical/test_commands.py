"""`trivium diagnose` and `trivium annotate` as a user runs them."""

from __future__ import annotations

import json

import pytest

from apps.medical.product import SAMPLES, product
from core.inference import Completion


@pytest.mark.parametrize(
    ("sample", "disease", "disclaimer"),
    [
        ("shaking-hands-zh.txt", "1. 肝豆状核变性", "不是医疗器械"),
        ("spots-and-seizures-zh.txt", "1. 结节性硬化症", "不是医疗器械"),
        ("burning-feet-zh.txt", "1. 法布雷病", "不是医疗器械"),
        ("nosebleeds-en.txt", "1. Telangiectasia, hereditary hemorrhagic", "not a medical device"),
        ("tall-teenager-en.txt", "1. Marfan syndrome", "not a medical device"),
    ],
)
def test_a_sample_is_read_in_its_own_language(run_cli, sample: str, disease: str, disclaimer: str):
    code, out, err = run_cli("diagnose", SAMPLES / sample, "--top", 3)
    assert code == 0, err
    assert disease in out and disclaimer in out


def test_too_little_to_go_on_is_said_first(run_cli):
    code, out, _ = run_cli("diagnose", SAMPLES / "tired-worker-en.txt")
    assert code == 0
    assert out.index("fit many diseases about equally") < out.index("\n1. ")


def test_json_on_the_terminal_is_json(run_cli):
    code, out, _ = run_cli("diagnose", SAMPLES / "burning-feet-zh.txt", "--json", "--lang", "en", "--top", 2)
    data = json.loads(out)
    assert code == 0 and data["language"] == "zh" and len(data["differential"]) == 2
    assert data["differential"][0]["name"] == "Fabry disease"


@pytest.mark.parametrize("suffix", [".html", ".md", ".json", ".txt"])
def test_reports_are_written_by_their_name(run_cli, tmp_path, suffix: str):
    report = tmp_path / f"report{suffix}"
    code, out, _ = run_cli("diagnose", SAMPLES / "nosebleeds-en.txt", "--out", report)
    assert code == 0 and str(report) in out
    assert "not a medical device" in report.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [report]


def test_an_unknown_format_is_refused_before_anything_is_read(run_cli, tmp_path):
    code, _, err = run_cli("diagnose", tmp_path / "absent.txt", "--out", tmp_path / "report.docx")
    assert code == 1 and "report.docx" in err and ".html" in err


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("page.html", "<p>fever</p>", "not a plain-text note"),
        ("data.csv", "a,b", "not a plain-text note"),
        ("blank.txt", " \n", "no text"),
    ],
)
def test_what_is_no_note_is_refused(run_cli, tmp_path, name: str, content: str, expected: str):
    path = tmp_path / name
    path.write_text(content)
    code, out, err = run_cli("diagnose", path)
    assert code == 1 and name in err and expected in err and out == ""


def test_gb18030_notes_are_read(run_cli, tmp_path):
    path = tmp_path / "note.txt"
    path.write_bytes("患者有震颤、构音障碍，角膜K-F环阳性。否认发热。".encode("gb18030"))
    code, out, _ = run_cli("diagnose", path, "--top", 1)
    assert code == 0 and "肝豆状核变性" in out


def test_an_impossible_top_is_a_usage_error(run_cli):
    code, _, err = run_cli("diagnose", SAMPLES / "nosebleeds-en.txt", "--top", 0)
    assert code != 0 and "1 and 100" in err


@pytest.mark.parametrize("suffix", [".jsonl", ".spacy"])
def test_annotations_keep_text_places_and_status(run_cli, tmp_path, suffix: str):
    out_path = tmp_path / f"notes{suffix}"
    code, out, err = run_cli(
        "annotate", SAMPLES / "nosebleeds-en.txt", SAMPLES / "burning-feet-zh.txt", "--out", out_path
    )
    assert code == 0 and "2 note(s)" in out, err
    english = (SAMPLES / "nosebleeds-en.txt").read_text(encoding="utf-8")
    if suffix == ".jsonl":
        first = json.loads(out_path.read_text(encoding="utf-8").splitlines()[0])
        assert first["text"] == english
        absent = {english[f["start"] : f["end"]] for f in first["findings"] if f["status"] == "absent"}
    else:
        import spacy
        from spacy.tokens import DocBin

        doc = next(DocBin().from_disk(out_path).get_docs(spacy.blank("en").vocab))
        assert doc.text == english
        absent = {span.text for span in doc.spans["absent"]}
    assert {"chest pain", "seizures", "cyanosis"} <= absent and "nosebleeds" not in absent


def test_annotate_refuses_formats_and_files_it_cannot_handle(run_cli, tmp_path):
    code, _, err = run_cli("annotate", SAMPLES / "nosebleeds-en.txt", "--out", tmp_path / "notes.csv")
    assert code == 1 and ".jsonl" in err
    code, _, err = run_cli("annotate", tmp_path / "absent.txt", "--out", tmp_path / "notes.jsonl")
    assert code == 1 and list(tmp_path.iterdir()) == []


def test_the_demo_prints_findings_evidence_and_disclaimer_in_both_languages(capsys):
    product.demo()
    out = capsys.readouterr().out
    for words in ("肝豆状核变性", "不是医疗器械", "hemorrhagic", "not a medical device", "PMID:", "÷"):
        assert words in out


class Answering:
    """Repeats a template it is asked to word; reads one vital sign."""

    name = "answering"

    def generate(self, prompts, sampling, progress=None):
        asked = [prompt[0]["content"] for prompt in prompts]
        return [Completion(self.answer(text), "stop") for text in asked for _ in range(sampling.n)]

    def answer(self, asked: str) -> str:
        if "字段：" in asked:
            kind = asked.split("字段：")[1].split(" ")[0]
            entries = [{"name": "血压", "value": "120/75mmHg"}, {"name": "心率", "value": "80次/分"}]
            return json.dumps({kind: entries if kind == "vitals" else []}, ensure_ascii=False)
        return asked.split("\n\n", 1)[1]


def test_fields_and_summary_are_added_on_demand_and_leave_the_rest_as_it_is(run_cli, monkeypatch):
    monkeypatch.setattr("core.inference.load_generator", lambda name=None: Answering())
    sample = SAMPLES / "burning-feet-zh.txt"
    plain = json.loads(run_cli("diagnose", sample, "--json", "--top", 3)[1])
    code, out, _ = run_cli("diagnose", sample, "--json", "--top", 3, "--fields", "--phrase")
    data = json.loads(out)
    assert code == 0 and {key: data[key] for key in plain} == plain
    (field,) = data["fields"]["found"]
    text = sample.read_text(encoding="utf-8")
    assert text[slice(*field["parts"]["value"]["span"])] == "120/75mmHg" and data["fields"]["values_dropped"] == 2
    assert data["summary"]["sentences"][-1]["words_by"] == "template"
    code, out, _ = run_cli("diagnose", sample, "--fields", "--phrase", "--top", 3)
    assert code == 0 and "语言模型读取的字段（1）" in out and "文字摘要" in out and "未经核对" in out
