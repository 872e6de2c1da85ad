"""The dictionary finds what a plain search over token windows finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.extraction import TermDictionary, tokenise
from core.text import Span

WORDS = ("red", "skin", "rash", "on", "face")


def slow_reference(phrases: dict[str, str], text: str) -> list[tuple[Span, str]]:
    """Leftmost longest matches by comparing every window of tokens with every phrase."""
    known = {tuple(token.norm for token in tokenise(phrase)): code for phrase, code in reversed(phrases.items())}
    tokens = tokenise(text)
    found, index = [], 0
    while index < len(tokens):
        for stop in range(len(tokens), index, -1):
            key = tuple(token.norm for token in tokens[index:stop])
            if key in known:
                found.append((Span(tokens[index].start, tokens[stop - 1].end), known[key]))
                index = stop
                break
        else:
            index += 1
    return found


phrase = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)


@given(st.dictionaries(phrase, st.sampled_from("ABC"), max_size=6), st.lists(st.sampled_from(WORDS), max_size=12))
def test_equals_the_slow_reference(phrases: dict[str, str], words: list[str]):
    dictionary = TermDictionary()
    for key, code in phrases.items():
        dictionary.add(key, code)
    text = " ".join(words)
    assert [(match.span, match.code) for match in dictionary.find(text)] == slow_reference(phrases, text)


def make(*entries: tuple[str, str]) -> TermDictionary:
    dictionary = TermDictionary()
    for key, code in entries:
        dictionary.add(key, code)
    return dictionary


def test_plurals_hyphens_and_articles_do_not_hide_a_term():
    dictionary = make(("Short stature", "S"), ("Abnormality of the eye", "E"))
    assert [m.code for m in dictionary.find("short-statures and abnormalities of eye")] == ["S", "E"]


def test_a_match_spans_a_line_break_and_reports_its_place():
    (match,) = make(("joint hypermobility", "J")).find("marked joint\nhypermobility")
    assert match.span == Span(7, 26)


def test_words_are_not_found_inside_words():
    assert make(("rash", "R")).find("brash and crash, rashly") == []


def test_chinese_takes_the_longest_phrase():
    dictionary = make(("发热", "F"), ("反复发热", "R"), ("无汗", "A"))
    assert [(m.code, m.span) for m in dictionary.find("患儿反复发热，无汗")] == [("R", Span(2, 6)), ("A", Span(7, 9))]


def test_priority_decides_between_codes_and_case_guards_abbreviations():
    dictionary = TermDictionary()
    dictionary.add("fits", "verb", priority=5)
    dictionary.add("fits", "seizure", priority=1)
    dictionary.add("ALL", "leukemia", exact_case=True)
    assert dictionary.codes("fits") == ["seizure", "verb"]
    assert [m.code for m in dictionary.find("all fits")] == ["seizure"]
    assert [m.code for m in dictionary.find("ALL in remission")] == ["leukemia"]
    assert len(dictionary) == 3 and dictionary.codes("nothing here") == []


def test_a_phrase_without_words_is_not_added():
    dictionary = make(("-", "X"), ("the", "Y"))
    assert len(dictionary) == 0
