import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.customer_service.asked import reading
from apps.customer_service.asked.reading import MAX_CHARACTERS, MAX_QUESTIONS, read_asked
from core.errors import InputError, TriviumError, UnreadableFile
from core.privacy import find_personal_data


def _read(text: str, name: str = "q.csv", column: str | None = None):
    return read_asked(text.encode("utf-8"), name, column)


@pytest.mark.parametrize(
    ("text", "name", "column"),
    [
        ("id,Question\n1,Where is my card?\n2,卡多少钱？\n", "q.csv", "Question"),
        ("id;question;n\n1;Where is my card?;x\n2;卡多少钱？;y\n", "q.csv", "question"),
        ("编号\t问题\n1\tWhere is my card?\n2\t卡多少钱？\n", "q.tsv", "问题"),
        ("Where is my card?\n\n卡多少钱？\n", "q.txt", ""),
        ('{"id": 1, "text": "Where is my card?"}\n{"text": "卡多少钱？"}\n', "q.jsonl", "text"),
        ('"Where is my card?"\n"卡多少钱？"\n', "q.JSONL", ""),
        ("Where is my card?\n卡多少钱？\n", "q.csv", ""),
        ("anything\nWhere is my card?\n卡多少钱？\n", "q.csv", "anything"),
    ],
)
def test_every_kind_of_file_gives_its_questions(text: str, name: str, column: str) -> None:
    asked = _read(text, name, "anything" if column == "anything" else None)
    assert asked.questions == ("Where is my card?", "卡多少钱？")
    assert asked.column == column


def test_other_encodings_are_read() -> None:
    assert read_asked("问题\n卡多少钱？\n".encode("gb18030"), "q.csv").questions == ("卡多少钱？",)
    assert read_asked("问题\n卡多少钱？\n".encode("utf-16"), "q.csv").questions == ("卡多少钱？",)


def test_personal_data_is_masked_and_counted() -> None:
    asked = _read("My card 4111 1111 1111 1111 is lost\nme@example.org asks\nFine?\n4111111111111111\n", "q.txt")
    assert asked.questions == ("My card [CARD_NUMBER] is lost", "[EMAIL] asks", "Fine?")
    assert (asked.masked, asked.empty) == (2, 1)


@pytest.mark.parametrize("padding", range(1960, 2001, 5))
def test_no_half_of_a_number_is_left_where_an_entry_is_cut(padding: int) -> None:
    entry = ("Help! " + "DE89 3704 0044 0532 0130 00, " * 80)[:padding] + " 4111 1111 1111 1111 and more " + "y" * 500
    (question,) = _read(entry, "q.txt").questions
    assert not any(character.isdigit() for character in question)


def test_what_does_not_fit_is_cut_or_counted(monkeypatch) -> None:
    monkeypatch.setattr(reading, "MAX_QUESTIONS", 3)
    asked = _read("\n".join(["?!", "", "b" * 3000, "c c", "d", "e", "", "f"]), "q.txt")
    assert [len(question) for question in asked.questions] == [MAX_CHARACTERS, 3, 1]
    assert (asked.empty, asked.cut, asked.left_out) == (2, 1, 2)
    assert MAX_QUESTIONS == 2_000


def test_odd_characters_do_not_come_through() -> None:
    asked = _read(json.dumps({"text": "a\u202eb\x00c\ud800d e"}) + "\n", "q.jsonl")
    assert asked.questions == ("a b c d e",)
    asked.questions[0].encode("utf-8")


@pytest.mark.parametrize(
    ("text", "name", "column", "message"),
    [
        ("a,b\n1,2\n", "q.csv", None, "which column"),
        ("a,b\n1,2\n", "q.csv", "c", "no column 'c'"),
        ("question\n\n", "q.csv", None, "no question"),
        ("x", "q.xlsx", None, "none of csv"),
        ("{not json}\n", "q.jsonl", None, "Line 1"),
        ("[" * 100_000, "q.jsonl", None, "Line 1"),
        ("[1, 2]\n", "q.jsonl", None, "JSON object or string"),
        ("question\n" + "x" * 200_000 + "\n", "q.csv", None, "not a readable table"),
        ('{"a": 1}\n', "q.jsonl", None, "which column"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, name: str, column: str | None, message: str) -> None:
    with pytest.raises((InputError, UnreadableFile), match=message):
        _read(text, name, column)


def test_a_program_is_no_table() -> None:
    with pytest.raises(UnreadableFile, match="program"):
        read_asked(b"\x7fELF\x00\x01", "q.csv")


@settings(max_examples=150, deadline=None)
@given(st.binary(min_size=1, max_size=300), st.sampled_from(["q.csv", "q.tsv", "q.jsonl", "q.txt"]))
def test_any_bytes_give_questions_or_an_error_of_ours(data: bytes, name: str) -> None:
    try:
        asked = read_asked(data, name)
    except TriviumError:
        return
    assert asked.questions
    for question in asked.questions:
        question.encode("utf-8")
        assert question.strip() and "\n" not in question and not find_personal_data(question)
