"""Blocks of marked-up and plain text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.retrieval.blocks import read_blocks

_LINES = st.sampled_from(
    ["# One", "## Two ##", "word word.", "- item", "  more of it", "1. first", "| a | b |", "|---|---|", "```", "",
     "  ", "卡片。补办！", "Title", "===", "---", "\f", "第一章 总则", "2.1 Scope", "x | y", "* * *", "（一）范围"]
)  # fmt: skip


def kinds(text: str, markup="markdown") -> list[tuple[str, str]]:
    return [(block.kind, block.span.of(text)) for block in read_blocks(text, markup)]


@given(
    st.lists(_LINES, max_size=14).map("\n".join) | st.text(max_size=80), st.sampled_from(["markdown", "plain", "rows"])
)
def test_blocks_cover_all_text_in_order_without_overlap(text: str, markup):
    end = 0
    for block in read_blocks(text, markup):
        assert block.span.start >= end
        assert not text[end : block.span.start].strip()
        assert block.span.of(text) == block.span.of(text).strip() != ""
        end = block.span.end
    assert not text[end:].strip()


def test_markdown_structure():
    text = (
        "# Fees #\nIntro line\nwrapped.\n\n- one\n- two\n  still two\n\n- three\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\nAfter.\n"
        "```\n# no heading\n\n- no item\n```\nBig\n===\n1. x\n2) y\n"
    )
    assert kinds(text) == [
        ("heading", "# Fees #"),
        ("paragraph", "Intro line\nwrapped."),
        ("list", "- one\n- two\n  still two\n\n- three"),
        ("table", "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("paragraph", "After."),
        ("code", "```\n# no heading\n\n- no item\n```"),
        ("heading", "Big\n==="),
        ("list", "1. x\n2) y"),
    ]


def test_heading_levels_and_titles():
    headings = [block for block in read_blocks("# A\n### B c ##\nUnder\n---\n") if block.kind == "heading"]
    assert [(heading.level, heading.title) for heading in headings] == [(1, "A"), (3, "B c"), (2, "Under")]


@pytest.mark.parametrize(
    "line", ["-5 % a year", "*bold* word", "1.5 times as much", "#hashtag", "12.5.2024 was a Sunday"]
)
def test_what_only_looks_like_a_mark_is_a_paragraph(line: str):
    assert kinds(line) == [("paragraph", line)]


def test_plain_text_knows_chapters_and_lists_but_no_hash_headings():
    text = (
        "第一章 总则\n\n本办法适用于所有卡。\n\n第二条 范围\n\n（一）个人卡\n（二）公司卡\n\n"
        "# not a heading\n\n2.1 Scope\n\nAll cards."
    )
    assert [kind for kind, _ in kinds(text, "plain")] == [
        *("heading", "paragraph", "heading", "list", "paragraph", "heading", "paragraph"),
    ]


@pytest.mark.parametrize("line", ["Part of the fee is returned", "3 cards are allowed.", "2019 12 31", "第一次使用"])
def test_plain_sentences_are_no_headings(line: str):
    assert kinds(f"Before.\n\n{line}\n\nAfter.", "plain")[1][0] == "paragraph"


def test_a_page_break_ends_a_paragraph():
    assert kinds("one\ftwo", "plain") == [("paragraph", "one"), ("paragraph", "two")]


@pytest.mark.parametrize(
    "text", ["# " + " " * 50_000 + "x", "|" * 50_000, "- a\n" * 20_000, "```\n" * 20_000, "\n " * 50_000]
)
def test_time_grows_no_faster_than_the_text(text: str):
    started = time.monotonic()
    read_blocks(text)
    assert time.monotonic() - started < 5
