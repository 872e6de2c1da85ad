"""`trivium train prepare` as a user runs it."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from core.errors import DataMismatch, InputError, UnreadableFile, UnwritableFile
from core.training.data.prepare import Preparation, load_prepared, prepare
from core.training.data.splits import Fractions

TOPICS = {"fee": "What is the fee for item {}?", "限额": "第{}号卡的转账限额是多少？"}


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    rows = []
    for number in range(120):
        for label, text in TOPICS.items():
            code = "".join("abcdefghij甲乙丙丁戊己庚辛壬癸"[(number * 7 + k * k) % 20] for k in range(9))
            rows.append({"text": f"{code} {text.format(number)} {code[::-1]}", "label": label})
    rows += [rows[0], {"text": "", "label": "fee"}, {"text": "Call me on +44 20 7946 0958 please", "label": "fee"}]
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def test_the_command_prepares_reports_and_repeats_itself(questions: Path, tmp_path: Path, run_cli) -> None:
    code, out, err = run_cli("train", "prepare", questions, "--out", tmp_path / "one")
    assert code == 0, err
    assert "JSON lines, labelled; 243 rows, 1 unusable" in out and "the field 'text' is empty" in out
    rejected = json.loads((tmp_path / "one" / "rejected.jsonl").read_text())
    assert rejected["place"] == "line 242"
    card = json.loads((tmp_path / "one" / "card.json").read_text())
    steps = {step["name"]: step for step in card["steps"]}
    assert steps["exact duplicates"]["before"] - steps["exact duplicates"]["after"] == 1
    assert steps["personal data masked"]["changed"] == 1
    assert card["sources"][0]["bad"] == 1 and card["kind"] == "labelled"
    counts = {name: split["records"] for name, split in card["splits"].items()}
    assert sum(counts.values()) == card["records"] and all(counts.values())
    assert "+44" not in (tmp_path / "one" / "train.jsonl").read_text() + (tmp_path / "one" / "test.jsonl").read_text()
    run_cli("train", "prepare", questions, "--out", tmp_path / "two")
    for name in ("train.jsonl", "card.json", "card.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    _, out, _ = run_cli("train", "prepare", questions, "--out", tmp_path / "two", "--seed", 1)
    assert json.loads((tmp_path / "two" / "card.json").read_text())["sha256"] != card["sha256"]


def test_what_was_prepared_is_read_back_and_guarded(questions: Path, tmp_path: Path) -> None:
    card = prepare([str(questions)], tmp_path / "out", Preparation(stratify=True))
    prepared = load_prepared(tmp_path / "out")
    assert prepared.card.sha256 == card.sha256
    assert {name: len(records) for name, records in prepared.splits.items()} == {
        name: split["records"] for name, split in card.content["splits"].items()
    }
    assert all(record.split == name for name, records in prepared.splits.items() for record in records)
    path = tmp_path / "out" / "test.jsonl"
    path.write_text(path.read_text().replace("fee", "charge", 1))
    with pytest.raises(DataMismatch, match="changed"):
        load_prepared(tmp_path / "out")
    with pytest.raises(UnreadableFile, match="no folder of prepared data"):
        load_prepared(tmp_path)
    for broken in ('{"version": 1}', "[]", "{"):
        (tmp_path / "out" / "card.json").write_text(broken)
        with pytest.raises(UnreadableFile):
            load_prepared(tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ('{"text": "a", "label": "x"}\n{"text": "b", "label": "x"}', (), "the label 'x'"),
        ('{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}', ("--language", "zh"), "step 'language' took 2"),
        ('{"text": "a", "label": "x"}\n{"text": "a", "label": "y"}', (), "contradictory annotation"),
        ('{"text": "a", "label": "x"}\n{"text": ""}', ("--strict",), "line 2"),
        ('{"text": "a", "spans": []}', (), "labelled span"),
        ('{"foo": 1}', (), "fit no known form"),
        ('{"foo": 1}', ("--field", "txt=foo"), "no field named 'txt'"),
        ('{"foo": 1}', ("--field", "foo"), "does not name a field"),
        ('{"text": "a"}', ("--similarity", "0.1"), "between 0.3 and 1"),
        ('{"text": "a"}', ("--test", "0.6", "--validation", "0.6"), "leave nothing"),
        ('{"text": "a"}', ("--min-characters", "9", "--max-characters", "3"), "No text has"),
    ],
)
def test_wrong_input_is_said_and_leaves_nothing(
    content: str, options: tuple[str, ...], message: str, tmp_path: Path, run_cli
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    code, _, err = run_cli("train", "prepare", path, "--out", tmp_path / "out", *options)
    assert code == 1 and message in err
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_folder_of_something_else_is_left_alone(questions: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="left as it is"):
        prepare([str(questions)], tmp_path / "mine")
    with pytest.raises(InputError, match="is a file"):
        prepare([str(questions)], questions)


def test_an_interrupt_leaves_the_old_folder(
    questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli
) -> None:
    out = tmp_path / "out"
    run_cli("train", "prepare", questions, "--out", out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def interrupted(_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("core.training.data.prepare.card_markdown", interrupted)
    code, _, err = run_cli("train", "prepare", questions, "--out", out, "--seed", 5)
    assert code == 130 and "half-written" in err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_leaks_can_be_kept_and_are_counted_then(tmp_path: Path) -> None:
    moulds = [f"{''.join(chr(97 + (n * k * k + k) % 26) for k in range(1, 40))} {{}}" for n in range(1, 25)]
    rows = [{"text": mould.format(word), "label": word} for mould in moulds for word in ("one", "two", "six")]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    dropped = prepare([str(path)], tmp_path / "one", Preparation(fractions=Fractions(0.2, 0.2)))
    kept = prepare([str(path)], tmp_path / "two", Preparation(fractions=Fractions(0.2, 0.2), drop_leaks=False))
    leaks = next(step for step in dropped.content["steps"] if step["name"] == "leaks")
    assert leaks["before"] > leaks["after"]
    counted = next(step for step in kept.content["steps"] if step["name"] == "leaks, counted only")
    assert counted["found"] == leaks["found"] and kept.content["records"] > dropped.content["records"]


def test_labels_cannot_format_the_card(tmp_path: Path) -> None:
    rows = [
        {"text": f"text {n} {'xyz'[n % 3] * 40}{n * n}", "label": ("<b>|x", "[a](http://b)")[n % 2]} for n in range(40)
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    prepare([str(path)], tmp_path / "out", Preparation(similarity=None))
    card = (tmp_path / "out" / "card.md").read_text()
    assert "<b>" not in card and "[a](" not in card


@pytest.mark.data("banking77")
def test_the_test_set_of_a_public_set_is_kept_whole(tmp_path: Path) -> None:
    card = prepare(["banking77"], tmp_path / "out")
    splits = card.content["splits"]
    assert splits["test"]["records"] == 3080 and len(splits["train"]["labels"]) == 77
    assert splits["validation"]["records"] > 800
    assert card.content["sources"][0]["licence"] == "CC-BY-4.0"


@pytest.mark.data("cmrc2018")
def test_questions_on_one_passage_stay_together(tmp_path: Path) -> None:
    card = prepare(["cmrc2018"], tmp_path / "out")
    prepared = load_prepared(tmp_path / "out")
    groups = {name: {record.group for record in records} for name, records in prepared.splits.items()}
    assert not groups["train"] & groups["test"] and not groups["train"] & groups["validation"]
    assert card.content["records"] > 3000


def test_texts_with_any_number_of_classes_are_prepared(tmp_path: Path) -> None:
    rows = [
        {"text": f"item {'abcdefghij'[n % 10] * (n + 1)}", "labels": [["fee"], ["fee", "card"], []][n % 3]}
        for n in range(60)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    card = prepare([str(path)], tmp_path / "out", Preparation(stratify=True, similarity=None))
    assert card.kind == "multilabelled"
    found = load_prepared(tmp_path / "out").splits["train"]
    assert {record.labels for record in found} == {("fee",), ("card", "fee"), ()}
    with pytest.raises(InputError, match="has a class"):
        path.write_text("\n".join(json.dumps({**row, "labels": []}) for row in rows), encoding="utf-8")
        prepare([str(path)], tmp_path / "none", Preparation(similarity=None))


def test_a_place_that_cannot_be_written_is_told(
    questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnwritableFile, match="Not a directory"):
        prepare([str(questions)], questions / "inside", Preparation())
    prepare([str(questions)], tmp_path / "out", Preparation())
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UnwritableFile, match="No space left"):
        prepare([str(questions)], tmp_path / "out", Preparation(max_characters=1000))
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert not (tmp_path / ".out.new").exists()
