"""Texts for a terminal: read, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.terminal import for_terminal, line_for_terminal


def test_controls_directions_and_half_characters_are_marked():
    assert for_terminal("a\x1b[2Jb\x9bc\u202ed\u2066e\ud800f\x7f") == "a�[2Jb�c�d�e�f�"
    assert for_terminal("a\n\tb 中文 👩\u200d⚕️") == "a\n\tb 中文 👩\u200d⚕️"


def test_a_line_is_one_line():
    assert line_for_terminal(" a\n\tb\u2028c\u3000 d\x1b ") == "a b c d�"
    assert line_for_terminal("abc", 3) == "abc"
    assert line_for_terminal("abcd", 3) == "abc…"


@given(st.text(), st.integers(1, 20))
def test_any_text_becomes_a_line_that_can_be_written(text: str, characters: int):
    line = line_for_terminal(text, characters)
    assert len(line) <= characters + 1
    assert len(line.splitlines()) <= 1
    assert line.encode("utf-8").decode() == line
    assert "\x1b" not in line
