"""The spaCy pipeline spells the text exactly and reads as the plain functions do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.extraction import AssertionRules, TermDictionary, tokenise
from core.extraction.spacy_pipeline import build_pipeline, words_and_spaces
from core.text import Span


@given(st.text(max_size=60))
def test_words_and_spaces_spell_the_text(text: str):
    words, spaces = words_and_spaces(text, tokenise(text))
    assert "".join(word + " " * space for word, space in zip(words, spaces, strict=True)) == text
    assert all(words)


@pytest.mark.parametrize(
    ("language", "text", "phrases"),
    [
        ("en", "No fever, cough or rash.\n\nThe patient's mother has fever.  Cough today.", ("fever", "cough", "rash")),
        ("zh", "否认发热、咳嗽。父亲有癫痫，患儿咳嗽3天。", ("发热", "咳嗽", "癫痫")),
    ],
)
def test_reads_as_the_plain_functions_do(language: str, text: str, phrases: tuple[str, ...]):
    dictionary = TermDictionary()
    for phrase in phrases:
        dictionary.add(phrase, phrase.upper())
    doc = build_pipeline(language, dictionary)(text)
    assert doc.text == text
    matches = dictionary.find(text)
    assertions = AssertionRules.load(language).assess(text, [match.span for match in matches])
    read = [(Span(s.start_char, s.end_char), s.label_, s._.assertion) for s in doc.spans["terms"]]
    assert read == [(match.span, match.code, a) for match, a in zip(matches, assertions, strict=True)]


def test_ignored_codes_are_dropped():
    dictionary = TermDictionary()
    dictionary.add("fever clinic", "")
    dictionary.add("fever", "F")
    doc = build_pipeline("en", dictionary)("Seen in the fever clinic for fever.")
    assert [span.label_ for span in doc.spans["terms"]] == ["F"]
