"""Formats told from content, wrong rows named, one record type a kind."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import FileTooLarge, InputError, UnknownName, UnreadableFile
from core.training.data.importing import import_sources
from core.training.data.records import (
    Chat,
    Labelled,
    LabelledSpan,
    MultiLabelled,
    PlainText,
    Preference,
    Record,
    SpanLabelled,
    TextPair,
    Turn,
    from_json,
)
from core.training.data.tagged import sentence


def read(folder: Path, name: str, content: str | bytes, **options: object) -> tuple[Record, ...]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return import_sources([str(path)], **options).records


def lines(*rows: object) -> str:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def test_labelled_from_json_lines_csv_and_tsv(tmp_path: Path) -> None:
    expected = (Labelled(text="怎么查余额？", label="余额"), Labelled(text='Where is my "card", please?', label="card"))
    rows = [{"text": r.text, "label": r.label} for r in expected]
    assert read(tmp_path, "a.jsonl", lines(*rows)) == expected
    assert read(tmp_path, "a.json", json.dumps(rows)) == expected
    table = 'utterance,intent\n怎么查余额？,余额\n"Where is my ""card"", please?",card\n'
    assert read(tmp_path, "a.csv", table) == expected
    tabbed = 'sentence\tlabel\n怎么查余额？\t余额\nWhere is my "card", please?\tcard\n'
    assert read(tmp_path, "a.txt", tabbed) == expected


def test_other_field_names_are_given_by_the_user(tmp_path: Path) -> None:
    table = "satz,thema\nWo ist die Karte?,Karte\n"
    with pytest.raises(InputError, match="'satz', 'thema'"):
        read(tmp_path, "a.csv", table)
    assert read(tmp_path, "a.csv", table, fields={"text": "satz", "label": "thema"}) == (
        Labelled(text="Wo ist die Karte?", label="Karte"),
    )


def test_texts_with_any_number_of_classes(tmp_path: Path) -> None:
    rows = [{"text": "a", "labels": ["y", "x", "y"]}, {"text": "b", "labels": ["x"]}, {"text": "c", "labels": []}]
    expected = (("x", "y"), ("x",), ())
    found = read(tmp_path, "a.jsonl", lines(*rows))
    assert [record.labels for record in found if isinstance(record, MultiLabelled)] == [*expected]
    table = 'text,labels\na,"[""x"", ""y""]"\nb,x\n'
    found = read(tmp_path, "a.csv", table, form="multilabelled")
    assert found == (MultiLabelled(text="a", labels=("x", "y")), MultiLabelled(text="b", labels=("x",)))
    one = lines({"text": "a", "label": ["x"]}, {"text": "b", "label": ["y"]})
    assert read(tmp_path, "b.jsonl", one) == (Labelled(text="a", label="x"), Labelled(text="b", label="y"))


def test_chats_in_their_ways_of_writing(tmp_path: Path) -> None:
    expected = (Chat(turns=(Turn("system", "简短"), Turn("user", "你好"), Turn("assistant", "您好！"))),)
    messages = {
        "messages": [
            {"role": "system", "content": "简短"},
            {"role": "user", "content": [{"type": "text", "text": "你好"}]},
            {"role": "assistant", "content": "您好！"},
        ]
    }
    shared = {
        "conversations": [{"from": "human", "value": "你好"}, {"from": "gpt", "value": "您好！"}],
        "system": "简短",
    }
    prompted = {"instruction": "你好", "input": "", "output": "您好！", "system": "简短"}
    for row in (messages, shared, prompted):
        assert read(tmp_path, "a.jsonl", lines(row)) == expected
    with_history = {"question": "And abroad?", "answer": "2 EUR.", "history": [["The fee?", "1 EUR."]]}
    (chat,) = read(tmp_path, "a.jsonl", lines(with_history))
    assert isinstance(chat, Chat)
    assert [turn.content for turn in chat.turns] == ["The fee?", "1 EUR.", "And abroad?", "2 EUR."]
    assert chat.response == "2 EUR." and chat.prompt == chat.turns[:-1]


def test_preferences_in_their_ways_of_writing(tmp_path: Path) -> None:
    expected = (Preference(prompt=(Turn("user", "The fee?"),), chosen="1 EUR.", rejected="None."),)
    transcript = "\n\nHuman: The fee?\n\nAssistant: {}"
    question = {"role": "user", "content": "The fee?"}
    rows = (
        {"prompt": "The fee?", "chosen": "1 EUR.", "rejected": "None."},
        {"chosen": transcript.format("1 EUR."), "rejected": transcript.format("None.")},
        {
            "chosen": [question, {"role": "assistant", "content": "1 EUR."}],
            "rejected": [question, {"role": "assistant", "content": "None."}],
        },
        {
            "prompt": [question],
            "chosen": [{"role": "assistant", "content": "1 EUR."}],
            "rejected": [{"role": "assistant", "content": "None."}],
        },
    )
    for row in rows:
        assert read(tmp_path, "a.jsonl", lines(row)) == expected


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "a", "chosen": "b", "rejected": "b"}, "the same"),
        ({"chosen": "b", "rejected": "c"}, "no prompt"),
        ({"prompt": " ", "chosen": "b", "rejected": "c"}, "empty"),
        (
            {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: x\n\nAssistant: c"},
            "part before their last answer",
        ),
    ],
)
def test_a_preference_that_says_nothing_is_named(tmp_path: Path, row: dict[str, str], reason: str) -> None:
    good = {"prompt": "a", "chosen": "b", "rejected": "c"}
    path = tmp_path / "a.jsonl"
    path.write_text(lines(good, row))
    imported = import_sources([str(path)])
    assert len(imported.records) == 1
    (bad,) = imported.bad
    assert bad.place == "line 2" and reason in bad.reason


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([{"role": "tool", "content": "x"}], "'tool'"),
        ([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], "in a row"),
        ([{"role": "user", "content": "a"}, {"role": "system", "content": "b"}], "later than first"),
        ([{"role": "assistant", "content": "a"}], "no user's turn"),
        ([{"role": "user", "content": [{"type": "image"}]}], "not text"),
        ("hello", "transcript"),
        ([], "not a list of turns"),
    ],
)
def test_a_broken_conversation_is_named(tmp_path: Path, messages: object, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read(tmp_path, "a.jsonl", lines({"messages": messages}))


def test_pairs_and_plain_text(tmp_path: Path) -> None:
    pair = {"sentence1": "查余额", "sentence2": "余额多少", "label": 1}
    assert read(tmp_path, "a.jsonl", lines(pair)) == (TextPair(first="查余额", second="余额多少", label="1"),)
    paragraphs = "One line\nand another.\n\n\nSecond paragraph.\n"
    assert read(tmp_path, "a.txt", paragraphs) == (
        PlainText(text="One line\nand another."),
        PlainText(text="Second paragraph."),
    )
    assert read(tmp_path, "b.txt", "甲\n乙\n") == (PlainText(text="甲"), PlainText(text="乙"))


def test_spans_in_their_ways_of_writing(tmp_path: Path) -> None:
    text = "患者有糖尿病史。"
    expected = (SpanLabelled(text=text, spans=(LabelledSpan(3, 6, "disease"),)),)
    for given_spans in (
        {"spans": [{"start": 3, "end": 6, "label": "disease"}]},
        {"entities": [{"start_offset": 3, "end_offset": 6, "label": "disease"}]},
        {"label": [[3, 6, "disease"]]},
    ):
        assert read(tmp_path, "a.jsonl", lines({"text": text, **given_spans})) == expected
    for wrong in ([[3, 99, "x"]], [[3, 3, "x"]], [["3", 6, "x"]], [[3, 6]], [[3, 6, ""]]):
        with pytest.raises(InputError, match="span"):
            read(tmp_path, "a.jsonl", lines({"text": text, "spans": wrong}))


TAGGED = {
    "BIO": "糖 B-d\n尿 I-d\n病 I-d\n史 O\n",
    "underscore": "糖 B_d\n尿 I_d\n病 I_d\n史 O\n",
    "IOB1": "糖 I-d\n尿 I-d\n病 I-d\n史 O\n",
    "BIOES": "糖 B-d\n尿 I-d\n病 E-d\n史 O\n",
    "BMES": "糖 B-d\n尿 M-d\n病 E-d\n史 O\n",
    "middle columns": "糖 NN B-d\n尿 NN I-d\n病 NN I-d\n史 NN O\n",
}


@pytest.mark.parametrize("scheme", TAGGED)
def test_tagged_columns_by_character(tmp_path: Path, scheme: str) -> None:
    assert read(tmp_path, "a.txt", TAGGED[scheme]) == (SpanLabelled(text="糖尿病史", spans=(LabelledSpan(0, 3, "d"),)),)


def test_tagged_columns_by_word_with_documents(tmp_path: Path) -> None:
    content = "-DOCSTART- O\n\nAcme\tB-ORG\nBank\tI-ORG\nsued\tO\nZeta\tB-ORG\n\n-DOCSTART- O\n\nFine\tO\nprint\tS-X\n"
    first, second = read(tmp_path, "a.tsv", content)
    assert first == SpanLabelled(
        text="Acme Bank sued Zeta", spans=(LabelledSpan(0, 9, "ORG"), LabelledSpan(15, 19, "ORG")), group=first.group
    )
    assert second.group != first.group and isinstance(second, SpanLabelled)
    assert second.spans == (LabelledSpan(5, 10, "X"),)


def test_a_tag_of_no_scheme_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a O\nb B-X\n\nc O\nd ?\n")
    imported = import_sources([str(path)], form="columns")
    assert [(row.place, row.reason) for row in imported.bad] == [
        ("line 4", "the tag '?' is of no known scheme (O, B-…, I-…, E-…, S-…)")
    ]


@given(
    st.lists(
        st.tuples(st.sampled_from(["ab", "c", "糖"]), st.sampled_from(["O", "B-x", "I-x", "B-y", "I-y"])), min_size=1
    )
)
def test_spans_of_tags_cover_exactly_the_tagged_tokens(tokens: list[tuple[str, str]]) -> None:
    record = sentence(tokens, " ")
    offset = 0
    for token, tag in tokens:
        inside = {span.label for span in record.spans if span.start <= offset and offset + len(token) <= span.end}
        assert inside == ({tag[2:]} if tag != "O" else set())
        offset += len(token) + 1
    assert len(record.spans) >= sum(tag.startswith("B") for _, tag in tokens)


def test_wrong_rows_are_counted_and_strict_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "label": "x"}\n{"text": \n[1]\n{"text": "", "label": "x"}\n{"text": "b"}\n')
    imported = import_sources([str(path)])
    assert len(imported.records) == 1
    assert [row.place for row in imported.bad] == ["line 2", "line 3", "line 4", "line 5"]
    assert imported.sources[0].rows == 5 and imported.sources[0].bad == 4
    with pytest.raises(InputError, match="line 2"):
        import_sources([str(path)], strict=True)


def test_wrong_cells_of_a_table_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"two\nlines",x\nonly one\nfine,y\n')
    imported = import_sources([str(path)])
    assert [record.texts()[0] for record in imported.records] == ["two\nlines", "fine"]
    assert [row.place for row in imported.bad] == ["line 4"]


def test_group_difficulty_and_split_of_rows(tmp_path: Path) -> None:
    rows = ({"text": "a", "label": "x", "group": 7, "difficulty": "0.5", "split": "dev"},)
    (record,) = read(tmp_path, "a.jsonl", lines(*rows))
    assert (record.group, record.difficulty, record.split) == ("7", 0.5, "validation")
    for wrong in ({"difficulty": "hard"}, {"difficulty": "nan"}, {"split": "holdout"}):
        with pytest.raises(InputError, match=str(next(iter(wrong.values())))):
            read(tmp_path, "a.jsonl", lines({"text": "a", "label": "x", **wrong}))


def test_unusable_files_and_names(tmp_path: Path, fresh_settings) -> None:
    with pytest.raises(UnknownName, match="no file or data set named 'bankin77'"):
        import_sources(["bankin77"])
    with pytest.raises(UnreadableFile, match="no file"):
        import_sources([str(tmp_path / "absent.jsonl")])
    for name, content in (("a.jsonl", b""), ("b.jsonl", b"\x00\x01binary"), ("c.gz", b"\x1f\x8bbroken")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableFile):
            import_sources([str(tmp_path / name)])
    with pytest.raises(UnreadableFile, match="one JSON object"):
        read(tmp_path, "d.json", '{"a":\n 1}')
    with pytest.raises(UnreadableFile, match="nested"):
        read(tmp_path, "e.json", "[" * 100_000)
    fresh_settings(max_upload_mb=1)
    with pytest.raises(FileTooLarge, match="unpacks to more"):
        read(tmp_path, "f.txt.gz", gzip.compress(b"a" * 2**21))


def test_a_gzipped_file_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, "a.jsonl.gz", gzip.compress(lines({"text": "a", "label": "x"}).encode())) == (
        Labelled(text="a", label="x"),
    )


def test_kinds_are_not_mixed(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(lines({"text": "a", "label": "x"}))
    (tmp_path / "b.jsonl").write_text(lines({"prompt": "a", "response": "x"}))
    with pytest.raises(InputError, match="chat records"):
        import_sources([str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")])


RECORDS: tuple[Record, ...] = (
    PlainText(text="甲"),
    Labelled(text="a", label="x", group="g", difficulty=0.5),
    MultiLabelled(text="a", labels=("x", "y")),
    TextPair(first="a", second="b"),
    SpanLabelled(text="abc", spans=(LabelledSpan(0, 2, "x"),)),
    Chat(turns=(Turn("user", "a"), Turn("assistant", "b"))),
    Preference(prompt=(Turn("user", "a"),), chosen="b", rejected="c"),
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.kind)
def test_a_record_survives_its_json_and_cannot_be_altered_unseen(record: Record) -> None:
    row = json.loads(json.dumps(record.as_json()))
    assert from_json(record.kind, row) == record
    key = next(name for name in ("text", "first", "chosen", "messages") if name in row)
    row[key] = [{"role": "user", "content": "z"}] if key == "messages" else "zzz"
    with pytest.raises(InputError, match="changed"):
        from_json(record.kind, row)


def test_the_id_is_of_the_content_alone() -> None:
    one = Labelled(text="a", label="x", group="g", split="test")
    assert one.id == Labelled(text="a", label="x").id != Labelled(text="a", label="y").id
    assert Labelled(text="a", label="x").id != PlainText(text="a").id


@pytest.mark.data("hh_rlhf_harmless")
def test_preference_transcripts_of_the_public_set() -> None:
    imported = import_sources(["hh_rlhf_harmless"])
    assert imported.sources[0].rows == 2312 == len(imported.records) + len(imported.bad)
    assert len(imported.bad) < 20
    assert all(isinstance(record, Preference) and record.prompt[-1].role == "user" for record in imported.records)


@pytest.mark.data("cehrner")
def test_tagged_notes_of_the_public_set() -> None:
    imported = import_sources(["cehrner"])
    assert [source.rows for source in imported.sources] == [914, 44, 41] and not imported.bad
    spans = [span for record in imported.records if isinstance(record, SpanLabelled) for span in record.spans]
    assert len({span.label for span in spans}) == 7


def test_fields_that_nothing_is_taken_from_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("sentence\tnegation\tgroup\nNo edema.\tnegated\t1\n")
    (source,) = import_sources([str(path)]).sources
    assert source.form == "plain" and source.unused == ("negation",)
    path.write_text(lines({"instruction": "a", "input": "b", "output": "c", "system": "d", "rating": 3}))
    (source,) = import_sources([str(path)]).sources
    assert source.unused == ("rating",)


def test_reasons_cannot_move_the_cursor_or_fill_the_screen(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    wrong = {"text": "b", "label": "x", "split": "\x1b[2J" + "y" * 1000}
    path.write_text(lines({"text": "a", "label": "x"}, wrong))
    (bad,) = import_sources([str(path)]).bad
    assert bad.reason.isprintable() and len(bad.reason) <= 201


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "a", "label": NaN}', "NaN is no number"),
        ('{"text": "a", "label": ' + "9" * 5000 + "}", "not JSON"),
        ('{"text": "a", "label": ' + "[" * 100_000 + "}", "nested too deeply"),
        ('{"text": "a", "label": 1e999}', "too large a number"),
    ],
)
def test_numbers_and_nesting_out_of_range_are_told_by_line(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "good", "label": "x"}\n' + line + "\n", encoding="utf-8")
    found = import_sources([str(path)])
    assert len(found.records) == 1
    assert [bad.place for bad in found.bad] == ["line 2"]
    assert reason in found.bad[0].reason
