"""CSV and TSV: rows that name their columns."""

from __future__ import annotations

import pytest

from core.errors import FileTooLarge, UnreadableFile
from core.retrieval import chunk, load_bytes
from core.retrieval.formats.sheets import read_csv


def text_of(content: str, encoding: str = "utf-8") -> str:
    return read_csv(content.encode(encoding), "a.csv")[0].text


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(mark: str):
    rows = [["question", "answer"], ["How much?", '"Six euro, or so; about 1.5"'], ["When?", "Soon"]]
    text = text_of("\n".join(mark.join(row) for row in rows))
    assert text == "question: How much?\nanswer: Six euro, or so; about 1.5\n\nquestion: When?\nanswer: Soon\n"


def test_quoted_line_ends_ragged_rows_and_unnamed_columns():
    text = text_of('a,,c\n"one\ntwo",x\n1,2,3,4\n,,\n')
    assert text == "a: one two\ncolumn 2: x\n\na: 1\ncolumn 2: 2\nc: 3\ncolumn 4: 4\n"


def test_chinese_encodings():
    assert text_of("问题,答案\n多少钱,六欧元\n", "gb18030") == "问题: 多少钱\n答案: 六欧元\n"


def test_a_single_column_and_a_lone_header():
    assert text_of("question\nHow much?\nWhen?\n") == "question: How much?\n\nquestion: When?\n"
    assert text_of("a,b,c\n") == "a | b | c\n"


def test_rows_become_passages():
    (document,) = load_bytes("faq.csv", b"q,a\nHow much?,Six euro.\n# odd,- row\n")
    assert [passage.text for passage in chunk(document)] == ["q: How much?\na: Six euro.", "q: # odd\na: - row"]


def test_hostile_files(monkeypatch):
    with pytest.raises(UnreadableFile, match="not a readable CSV"):
        read_csv(b"a,b\n" + b"x" * 200_000 + b",y\n", "a.csv")
    monkeypatch.setattr("core.retrieval.formats.sheets.MAX_CELLS", 10)
    with pytest.raises(FileTooLarge, match="more than 10 cells"):
        read_csv(b"a,b\n" * 20, "a.csv")
