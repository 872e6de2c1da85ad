"""Texts cleaned without losing meaning; spans stay on the characters they were put on."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.privacy import mask
from core.training.data.cleaning import (
    Edit,
    apply_edits,
    composed_edits,
    edit_records,
    filter_languages,
    filter_length,
    invisible_edits,
    language_of,
    mask_edits,
    move_spans,
    outer_space_edits,
)
from core.training.data.records import Chat, Labelled, LabelledSpan, PlainText, SpanLabelled, Turn


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("a\x00b\x07c", "abc"),
        ("余\u200b额\ufeff", "余额"),
        ("a\u202eb\u202c", "ab"),
        ("a\u00a0b\u3000c", "a b c"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("👩\u200d⚕️", "👩\u200d⚕️"),
        ("x² ① ＡＢ，。", "x² ① ＡＢ，。"),
        ("a\ud800b", "ab"),
    ],
)
def test_what_is_invisible_goes_and_what_has_meaning_stays(dirty: str, clean: str) -> None:
    assert apply_edits(dirty, invisible_edits(dirty)) == clean


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",))))
def test_composition_equals_the_standard_form(text: str) -> None:
    assert apply_edits(text, composed_edits(text)) == unicodedata.normalize("NFC", text)


@given(st.text(alphabet="aeé\u0301\u0323\u1100\u1161\u11a8糖. ", max_size=30))
def test_composition_of_combining_marks_and_jamo(text: str) -> None:
    assert apply_edits(text, composed_edits(text)) == unicodedata.normalize("NFC", text)


@given(st.text(alphabet="ab\u00a0\u200b\r\n 糖\x07", max_size=30))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = apply_edits(text, invisible_edits(text))
    assert invisible_edits(once) == []
    trimmed = apply_edits(once, outer_space_edits(once))
    assert trimmed == once.strip() and outer_space_edits(trimmed) == []


def test_masking_is_that_of_the_privacy_room() -> None:
    text = "我叫王小明，电话13812345678，邮箱 a.b@example.org。"
    assert apply_edits(text, mask_edits(text)) == mask(text).text


@given(st.data())
def test_spans_move_with_their_characters(data: st.DataObject) -> None:
    text = data.draw(st.text(alphabet="abcdefgh", min_size=2, max_size=20))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    edits = [
        Edit(a, b, data.draw(st.sampled_from(["", "X", "XYZ"]))) for a, b in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    after = apply_edits(text, edits)
    # Reference: mark every original character with its place, edit the list, and see where the survivors are.
    pieces: list[int | None] = []
    at = 0
    for edit in edits:
        pieces += [*range(at, edit.start), *([None] * len(edit.text))]
        at = edit.end
    pieces += range(at, len(text))
    assert len(pieces) == len(after)
    survivors = [place for place, origin in enumerate(pieces) if origin is not None and start <= origin < end]
    try:
        (moved,) = move_spans([LabelledSpan(start, end, "x")], edits)
    except InputError:
        assert not survivors
        return
    assert all(moved.start <= place < moved.end for place in survivors)
    outside = [p for p, origin in enumerate(pieces) if origin is not None and not start <= origin < end]
    assert not any(moved.start <= place < moved.end for place in outside)


def test_a_span_through_all_steps_still_reads_the_same() -> None:
    record = SpanLabelled(text=" \u200b电话13812345678，患\u200b糖尿病\u00a0史 ", spans=(LabelledSpan(18, 21, "d"),))
    assert record.text[18:21] == "糖尿病"
    records = [record]
    for name, edits_of in (("a", invisible_edits), ("b", mask_edits), ("c", outer_space_edits)):
        records, step = edit_records(records, name, edits_of)
        assert step.changed == 1 and step.after == 1
    (cleaned,) = records
    assert isinstance(cleaned, SpanLabelled)
    assert cleaned.text == "电话[PHONE]，患糖尿病 史"
    (span,) = cleaned.spans
    assert cleaned.text[span.start : span.end] == "糖尿病"


def test_what_cleaning_empties_is_counted() -> None:
    records = [
        PlainText(text="\u200b\u200b"),
        SpanLabelled(text="a\x07", spans=(LabelledSpan(1, 2, "x"),)),
        Chat(turns=(Turn("user", "a"), Turn("assistant", "\ufeff"))),
        Labelled(text="kept", label="x"),
    ]
    kept, step = edit_records(records, "invisible", invisible_edits)
    assert kept == records[3:]
    assert (step.before, step.after, dict(step.found)["nothing left"]) == (4, 1, 3)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("用 Apple Pay 付款", "zh"),
        ("Pay by card", "en"),
        ("Привет, мир", "other"),
        ("123 !?", "none"),
        ("안녕하세요 ok", "other"),
    ],
)
def test_language(text: str, language: str) -> None:
    assert language_of(text) == language


def test_filters_count_what_they_drop() -> None:
    records = [PlainText(text=text) for text in ("ab", "abcdef", "糖尿病", "Привет")]
    kept, step = filter_languages(records, ("zh",))
    assert kept == [records[2]] and dict(step.found) == {"en": 2, "other": 1}
    kept, step = filter_length(records, 3, 5)
    assert kept == [records[2]] and dict(step.found) == {"too short": 1, "too long": 2}
