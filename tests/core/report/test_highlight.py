from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.report.highlight import Mark, highlight_html, table_html
from core.text import Span

LEGEND = {"present": "present", "absent": "absent"}


class Reader(HTMLParser):
    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data):
        self.text += data


@given(st.text(alphabet="ab<>&\"'/=! 中script\n", max_size=60), st.data())
def test_no_text_becomes_markup_and_none_is_lost(text: str, data):
    ends = st.integers(0, len(text))
    marks = []
    for kind in data.draw(st.lists(st.sampled_from(list(LEGEND)), max_size=4)):
        start, end = sorted((data.draw(ends), data.draw(ends)))
        marks.append(Mark(Span(start, end), "", kind))
    reader = Reader(highlight_html(text, marks, LEGEND))
    assert reader.tags <= {"div", "span", "mark", "sub"}
    assert reader.text.endswith(text)


def test_a_mark_says_its_meaning_in_words():
    markup = highlight_html("no fever", [Mark(Span(3, 8), "Fever", "absent")], LEGEND)
    assert "title='absent: Fever'" in markup and "> Fever</sub>" in markup


def test_a_mark_of_an_unknown_kind_is_a_bug():
    with pytest.raises(KeyError):
        highlight_html("x", [Mark(Span(0, 1), "", "other")], LEGEND)


def test_a_table_escapes_its_cells_and_points_at_one():
    markup = table_html(["<b>"], [["<script>alert(1)</script>"], ["2"]], caption="a & b", marked=(1, 0))
    assert "<script" not in markup and "<b>" not in markup and "a &amp; b" in markup
    assert "▶ 2" in markup
