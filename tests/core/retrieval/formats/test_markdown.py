"""Front matter: what becomes metadata, and what is refused."""

from __future__ import annotations

import pytest

from core.errors import UnreadableFile
from core.retrieval.formats.markdown import read_markdown, split_front_matter


def test_values_become_strings():
    text = "---\na: 1\nb: true\nc: [x, 2]\nd: 2024-05-01\ne:\nf: {g: 1}\nh: '费用'\n---\nBody\n"
    body, metadata = split_front_matter(text, "a.md")
    assert body == "Body\n"
    assert metadata == {"a": "1", "b": "true", "c": "x\n2", "d": "2024-05-01", "e": "", "f": '{"g": 1}', "h": "费用"}


@pytest.mark.parametrize(
    "text", ["Body\n---\na: 1\n---\n", "---\njust words\n---\nBody\n", "---\nno end\n", "----\na: 1\n---\n"]
)
def test_what_is_no_front_matter_is_text(text: str):
    assert split_front_matter(text, "a.md") == (text, {})


def test_windows_line_ends_and_byte_order_mark():
    (parsed,) = read_markdown("\ufeff---\r\ntitle: Fees\r\n---\r\nBody\r\n".encode(), "a.md")
    assert parsed.title == "Fees" and parsed.text == "Body\n"


def test_the_first_heading_is_the_title_where_none_is_given():
    assert read_markdown(b"Intro\n\n# The *fees* #\n\n# More\n", "a.md")[0].title == "The *fees*"
    assert read_markdown(b"## Lower\n", "a.md")[0].title == ""


@pytest.mark.parametrize(
    ("front", "said"),
    [
        ("a: [1", "not valid YAML: line"),
        ("a: b: c", "line 2"),
        ("a: &x [1]\nb: *x", "aliases are not allowed"),
        ("a: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("a: 2024-13-45", "not valid YAML"),
        ("a: " + "[" * 5000, "nested too deeply|not valid"),
        ("a: " + "x" * 70_000, "too long"),
    ],
)
def test_bad_front_matter_is_named(front: str, said: str):
    with pytest.raises(UnreadableFile, match=said) as refusal:
        read_markdown(f"---\n{front}\n---\nBody\n".encode(), "bad.md")
    assert "'bad.md'" in str(refusal.value)
