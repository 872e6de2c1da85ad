import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import escape_markdown


def test_nothing_is_left_that_formats_links_or_embeds():
    assert escape_markdown("![x](http://y) <b>*a*\n| b") == r"\!\[x\](http://y) \<b\>\*a\* \| b"
    assert escape_markdown("$x^2$ &lt;") == r"\$x^2\$ \&lt;"


def test_ordinary_text_stays_as_it_is():
    for text in (
        "HP:0001250, 3.5 % (退款)",
        "08:30, PMID:16542389",
        "Note: see 10-K",
        "-5.2",
        "1. Marfan",
        "注意:中文",
    ):
        assert escape_markdown(text) == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        (":smile: :red[x]", r"&#58;smile: &#58;red\[x\]"),
        (":material/verified:", "&#58;material/verified:"),
        (":+1: a::b", "&#58;+1: a&#58;&#58;b"),
    ],
)
def test_what_streamlit_adds_is_escaped_too(text: str, escaped: str):
    assert escape_markdown(text) == escaped


@pytest.mark.parametrize("text", ["- item", "+ item", "---", "-", " - item"])
def test_a_line_begins_no_list_and_draws_no_rule(text: str):
    assert escape_markdown(text) == "\\" + text.strip()


@given(st.text(alphabet="\\`*_[]<>#|~$&!:{}-+ ab\n1中"))
def test_the_escapes_are_all_that_is_added(text: str):
    escaped = escape_markdown(text)
    assert "\n" not in escaped
    assert escaped.replace("&#58;", ":").replace("\\", "") == " ".join(text.split()).replace("\\", "")
