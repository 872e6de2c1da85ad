"""Tokens keep their place, and forms that mean the same compare equal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.extraction import tokenise
from core.extraction.tokens import normalise


@given(st.text(max_size=80))
def test_every_token_is_its_own_stretch_of_the_text(text: str):
    position = 0
    for token in tokenise(text):
        assert text[token.start : token.end] == token.text
        assert token.start >= position
        assert text[position : token.start].strip() in ("", "'s", "’s", "'S", "’S")
        position = token.end


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("seizures", "Seizure"),
        ("oedema", "edema"),
        ("anaemia", "anemia"),
        ("tumours", "tumor"),
        ("biopsies", "biopsy"),
        ("toes", "toe"),
        ("Ménière", "meniere"),
        ("（", "("),
    ],
)
def test_variants_compare_equal(one: str, other: str):
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(("one", "other"), [("ptosis", "ptosi"), ("fetus", "fetu"), ("mass", "mas"), ("gas", "ga")])
def test_a_final_s_that_is_no_plural_stays(one: str, other: str):
    assert normalise(one) != normalise(other)


def test_chinese_is_one_character_a_token_and_numbers_stay_whole():
    assert [token.text for token in tokenise("体温38.5℃，WBC 12")] == ["体", "温", "38.5", "℃", "，", "WBC", "12"]


def test_a_possessive_s_is_dropped_with_its_apostrophe():
    assert [token.norm for token in tokenise("patient's and Crohn’s")] == ["patient", "and", "crohn"]
