"""Damaged files of every kind: either documents or a plain error, never a crash."""

from __future__ import annotations

import io
import zipfile

import docx
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import TriviumError
from core.retrieval import chunk, load_bytes


def _word() -> bytes:
    document = docx.Document()
    document.add_heading("Fees")
    document.add_paragraph("The first card is free.")
    document.add_table(1, 2).cell(0, 0).text = "Spare"
    return _saved(document)


def _workbook() -> bytes:
    workbook = openpyxl.Workbook()
    workbook.active.append(["Kind", "费用"])
    workbook.active.append(["Spare", 6])
    return _saved(workbook)


def _saved(document: object) -> bytes:
    stream = io.BytesIO()
    document.save(stream)  # type: ignore[attr-defined]
    return stream.getvalue()


WHOLE = {
    "a.docx": _word(),
    "a.xlsx": _workbook(),
    "a.html": (
        b"<!doctype html><html><head><meta charset=gbk><title>t</title></head><body><h1>A</h1>"
        b"<ul><li>x<ol><li>y</ol></ul><table><tr><th colspan=2>a<td>b</table>"
        b"<pre>c</pre><p style='display:none'>k</p></body></html>"
    ),
    "a.md": (
        "---\nid: a\nquestions:\n  - x\n  - 'y: z'\n---\n# 费用\n\n- a\n\n| a | b |\n|--|--|\n```\ncode\n```\n"
    ).encode(),
    "a.csv": 'a,b;c\n"x\n",2\n卡,"q""r"\n'.encode(),
}
_DAMAGE = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(["flip", "cut", "copy"]), st.integers(1, 60)), min_size=1, max_size=12
)


def _damaged(data: bytes, damage: list[tuple[float, str, int]]) -> bytes:
    content = bytearray(data)
    for place, how, size in damage:
        at = int(place * (len(content) - 1))
        if how == "flip":
            content[at] ^= size
        elif how == "cut":
            del content[at : at + size]
        else:
            content[at:at] = content[at // 2 : at // 2 + size]
        content = content or bytearray(b"x")
    return bytes(content)


def _reads_or_tells(name: str, data: bytes) -> None:
    try:
        for document in load_bytes(name, data):
            chunk(document)
    except TriviumError as error:
        assert f"{name}'" in str(error)


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=80, deadline=None)
@given(damage=_DAMAGE)
def test_damaged_bytes(name: str, damage):
    _reads_or_tells(name, _damaged(WHOLE[name], damage))


@pytest.mark.parametrize("name", ["a.docx", "a.xlsx"])
@settings(max_examples=80, deadline=None)
@given(part=st.integers(0, 50), damage=_DAMAGE)
def test_sound_archives_of_damaged_parts(name: str, part: int, damage):
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(WHOLE[name])) as source, zipfile.ZipFile(stream, "w") as target:
        names = source.namelist()
        for number, member in enumerate(names):
            content = source.read(member)
            target.writestr(member, _damaged(content, damage) if number == part % len(names) else content)
    _reads_or_tells(name, stream.getvalue())
