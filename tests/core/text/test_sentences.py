import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import Span, detect_language, split_sentences


def split(text: str) -> list[str]:
    return [span.of(text) for span in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith paid $4.50. Then he left!", ["Dr. Smith paid $4.50.", "Then he left!"]),
        ("No fever. Cough for 3.5 days?", ["No fever.", "Cough for 3.5 days?"]),
        ("你好。你要几个？三个（不多）。”好", ["你好。", "你要几个？", "三个（不多）。”", "好"]),
        ("费用为1.5%。\n\n- 一\n- 二", ["费用为1.5%。", "- 一", "- 二"]),
        ("Wrapped over\ntwo lines.", ["Wrapped over\ntwo lines."]),
        ("A list:\n1. open the app\n2. tap Cards", ["A list:", "1. open the app", "2. tap Cards"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_of_both_languages(text: str, expected: list[str]):
    assert split(text) == expected


@given(st.text(alphabet='ab .。!？?\n-1（）"”', max_size=80))
def test_spans_are_ordered_disjoint_and_lose_no_letter(text: str):
    spans = split_sentences(text)
    assert all(len(span) > 0 for span in spans)
    assert all(left.end <= right.start for left, right in itertools.pairwise(spans))
    assert "".join("".join(split(text)).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("退款多久到账？", "zh"),
        ("用 Apple Pay 付款", "zh"),
        ("我的 PIN 码忘了 help", "zh"),
        ("What does 流明 mean?", "en"),
        ("WHAT DOES 流明 MEAN?", "en"),
        ("查体：BP 120/80 mmHg，HR 88 bpm，WBC 12.3，CRP 45 mg/L，ALT 30 U/L", "zh"),
        ("予 NS 100 ml ivgtt qd，ICU 监护", "zh"),
        ("iPhone 14 Pro Max 多少钱", "zh"),
        ("BP 120/80, HR 88", "en"),
        ("OK", "en"),
        ("12345 ???", "en"),
        ("", "en"),
    ],
)
def test_language(text: str, language: str):
    assert detect_language(text) == language


def test_a_span_refuses_to_run_backwards():
    with pytest.raises(ValueError, match="not a span"):
        Span(3, 2)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_overlap_is_sharing_a_position(a: int, b: int, c: int, d: int):
    left, right = Span(min(a, b), max(a, b)), Span(min(c, d), max(c, d))
    shared = set(range(left.start, left.end)) & set(range(right.start, right.end))
    if len(left) and len(right):
        assert left.overlaps(right) == bool(shared)
