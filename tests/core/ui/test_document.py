"""A document is shown in shape, loses no word, and never becomes markup of its own."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.report import Mark
from core.text import Document, Span
from core.ui.document import document_html

LEGEND = {"quoted": "quoted"}
TAGS = {"div", "span", "mark", "sub", "p", "pre", "strong", "table", "tr", "td", "th", *(f"h{n}" for n in range(3, 7))}
GUIDE = """# Cards

A card costs **EUR 6**.
It takes <b>five</b> days.

## Order

1. Open **Cards**.
2. Choose `Add`
   and confirm.
  - Not [there](http://x)? Ask us.

| Limit | a day |
|---|---|
| Cash | EUR 500 |

```
# not a heading
```
"""


class Reader(HTMLParser):
    """The tags in order, and what a reader sees; what stands inside a tag of a kind."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.inside: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(markup)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS and not any(name.startswith("on") or name in ("href", "src") for name, _ in attrs)
        self.tags.append(tag)
        self._open.append(tag)
        self.inside.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data
        for tag in set(self._open):
            self.inside[tag][-1] += data


def shown(text: str, *marks: Mark, kind: str = "markdown") -> Reader:
    return Reader(document_html(Document("d", text, "en", metadata={"format": kind}), marks, LEGEND))


def quoted(text: str, words: str, label: str = "[1]") -> Mark:
    start = text.index(words)
    return Mark(Span(start, start + len(words)), label, "quoted")


def test_headings_lists_tables_and_code_have_their_shape():
    page = shown(GUIDE)
    assert page.inside["h3"] == ["Cards"] and page.inside["h4"] == ["Order"]
    assert page.inside["strong"] == ["EUR 6", "Cards", "Add"]
    assert page.inside["th"] == ["Limit", "a day"] and page.inside["td"] == ["Cash", "EUR 500"]
    assert "1. Open Cards." in page.text and "• Not [there](http://x)? Ask us." in page.text
    assert "# not a heading" in page.inside["pre"][0] and "<b>five</b>" in page.text
    assert "**" not in page.text and "##" not in page.text and "|" not in page.text


def test_text_without_markup_keeps_its_lines_and_signs():
    page = shown("# 5 apples\na | b\n", kind="text")
    assert "h3" not in page.tags and "table" not in page.tags
    assert "# 5 apples\na | b" in page.text


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ("A card costs **EUR 6**.", ["A card costs EUR 6. [1]"]),
        ("costs **EUR", ["costs EUR [1]"]),
        ("Open **Cards**.", ["Open Cards. [1]"]),
        ("| Cash | EUR 500 |", ["Cash", "EUR 500 [1]"]),
        ("**EUR 6**.\nIt takes", ["EUR 6.\nIt takes [1]"]),
        ("days.\n\n## Order", ["days.", "Order [1]"]),
    ],
)
def test_a_mark_stands_where_its_words_stand_and_is_labelled_once(words: str, seen: list[str]):
    assert shown(GUIDE, quoted(GUIDE, words)).inside["mark"] == seen


def test_overlapping_marks_keep_the_earlier():
    marks = (quoted(GUIDE, "card costs"), quoted(GUIDE, "costs **EUR 6**", "[2]"))
    assert shown(GUIDE, *marks).inside["mark"] == ["card costs [1]"]


def test_a_mark_of_an_unknown_kind_is_a_bug():
    with pytest.raises(KeyError):
        shown("x", Mark(Span(0, 1), "", "other"))


MARKUP = st.text(alphabet="ab<>&\"'/! \n#-*_`|:1.中（一）\t\f=~", max_size=60)


@given(MARKUP, st.sampled_from(["markdown", "text", "csv"]), st.data())
def test_no_text_becomes_markup_and_no_word_is_lost(text: str, kind: str, data):
    ends = st.integers(0, len(text))
    marks = []
    for _ in range(data.draw(st.integers(0, 3))):
        start, end = sorted((data.draw(ends), data.draw(ends)))
        marks.append(Mark(Span(start, end), "", "quoted"))
    page = shown(text, *marks, kind=kind)
    words = [character for character in text if character.isalnum()]
    assert [character for character in page.text.removeprefix("quoted") if character.isalnum()] == words
