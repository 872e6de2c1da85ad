"""Passages: where they begin and end, and what they carry."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.retrieval import Chunking, chunk
from core.text import Document
from core.text.tokens import approximate_tokens

_SMALL = Chunking(target_tokens=12, maximum_tokens=20)
_PIECES = st.sampled_from(
    ["# One\n", "## Two\n", "A sentence here. ", "Another one! ", "卡片丢了怎么办？", "请挂失。", "\n", "\n\n",
     "- item one\n", "1. step\n", "| a | b |\n", "|---|---|\n", "```\n", "\f", "wordwordword" * 6, "  ",
     "Dr. No paid 3.5 EUR. ", "a: b\n"]
)  # fmt: skip


@settings(max_examples=300)
@example("word" * 18 + "  |---|---|\n", "markdown", Chunking(12, 20))  # two spaces where the cut falls
@given(
    st.lists(_PIECES, max_size=25).map("".join) | st.text(max_size=200),
    st.sampled_from(["markdown", "text", "pdf", "csv", "xlsx", "html", "docx"]),
    st.sampled_from([_SMALL, Chunking(), Chunking(1, 1)]),
)
def test_passages_cover_the_text_in_order_without_overlap(text: str, kind: str, chunking: Chunking):
    document = Document("d", text, "en", metadata={"format": kind})
    end = 0
    for passage in chunk(document, chunking):
        assert passage.document_id == "d"
        assert passage.text == passage.span.of(text) == passage.text.strip() != ""
        assert passage.span.start >= end
        assert not text[end : passage.span.start].strip()
        end = passage.span.end
    assert not text[end:].strip()


@given(st.lists(_PIECES, max_size=25).map("".join))
def test_passages_stay_below_the_maximum_and_half_a_target(text: str):
    for passage in chunk(Document("d", text, "en"), _SMALL):
        assert approximate_tokens(passage.text) <= _SMALL.maximum_tokens + _SMALL.target_tokens // 2


def test_each_section_is_a_passage_with_its_heading_path():
    text = "Intro.\n\n# Cards\n\n## Fees\n\nSix euro.\n\n### Abroad\n\nOne percent.\n\n## Limits\n\nFive hundred.\n"
    passages = chunk(Document("d", text, "en", title="Cards"))
    assert [(passage.heading_path, passage.text) for passage in passages] == [
        ((), "Intro."),
        (("Fees",), "# Cards\n\n## Fees\n\nSix euro."),
        (("Fees", "Abroad"), "### Abroad\n\nOne percent."),
        (("Limits",), "## Limits\n\nFive hundred."),
    ]


def test_long_paragraphs_are_cut_between_sentences():
    sentences = [f"Sentence number {number} says a little." for number in range(12)]
    passages = chunk(Document("d", " ".join(sentences), "en"), Chunking(30, 60))
    assert len(passages) > 2
    assert all(passage.text.startswith("Sentence") and passage.text.endswith("little.") for passage in passages)


def test_long_chinese_paragraphs_are_cut_between_sentences():
    passages = chunk(Document("d", "挂失以后旧卡不能再用。新卡五天寄到。" * 8, "zh"), Chunking(30, 60))
    assert len(passages) > 2
    assert all(passage.text.endswith("。") for passage in passages)


def test_lists_and_tables_stay_whole_while_they_fit():
    items = "\n".join(f"- step {number} of the way" for number in range(8))
    table = "\n".join(["| kind | fee |", "|---|---|", *(f"| card {number} | {number} euro |" for number in range(6))])
    chunking = Chunking(target_tokens=20, maximum_tokens=80)
    passages = chunk(Document("d", f"Intro words here.\n\n{items}\n\n{table}\n", "en"), chunking)
    assert [passage.text for passage in passages] == ["Intro words here.", items, table]


def test_a_table_too_long_is_cut_between_rows_and_its_header_goes_with_each_part():
    rows = [f"| card {number} | {number} euro a month |" for number in range(30)]
    table = "\n".join(["| kind | fee |", *rows])
    passages = chunk(Document("d", table, "en"), Chunking(60, 80))
    assert len(passages) > 3
    assert "table_header" not in passages[0].metadata
    assert all(passage.metadata["table_header"] == "| kind | fee |" for passage in passages[1:])
    assert all(passage.search_text.startswith("| kind | fee |\n| card") for passage in passages[1:])
    assert all(line in rows for passage in passages[1:] for line in passage.text.split("\n"))


def test_rows_of_a_sheet_are_passages_of_their_own():
    text = "question: How much?\nanswer: Six euro.\n\nquestion: When?\nanswer: Soon.\n"
    passages = chunk(Document("d", text, "en", metadata={"format": "csv"}))
    assert [passage.text for passage in passages] == text.strip().split("\n\n")


def test_the_page_of_a_pdf_passage_is_told():
    text = "First page.\fSecond page.\fThird page, cut.\n"
    passages = chunk(Document("d", text, "en", metadata={"format": "pdf"}), Chunking(4, 8))
    assert [passage.metadata["page"] for passage in passages] == ["1", "2", "3"]


def test_questions_go_with_the_first_passage_and_metadata_with_all():
    document = Document("d", "# A\n\nx\n\n# B\n\ny\n", "en", metadata={"topic": "t", "questions": "Why?\nHow?"})
    first, second = chunk(document)
    assert first.questions == ("Why?", "How?") and second.questions == ()
    assert first.metadata == second.metadata == {"topic": "t"}


def test_the_language_of_a_mixed_document_is_told_passage_by_passage():
    text = "# English\n\nCards are posted.\n\n# 中文\n\n卡片会邮寄给您。\n"
    assert [passage.language for passage in chunk(Document("d", text, "en"))] == ["en", "zh"]
    declared = Document("d", text, "en", metadata={"language": "en"})
    assert [passage.language for passage in chunk(declared)] == ["en", "en"]


def test_search_text_adds_title_and_headings_the_text_lacks():
    first, second = chunk(
        Document("d", "# Fees\n\nSix euro.\n\n" + "Long words. " * 30, "en", title="Cards"), Chunking(20, 40)
    )[:2]
    assert first.search_text.startswith("Cards\n# Fees\n\nSix euro.")
    assert second.search_text.startswith("Cards\nFees\nLong words.")


@pytest.mark.parametrize(
    "text", ["." * 50_000 + "x", "。”" * 20_000, "x\n==\n" * 10_000, "a" * 100_000, "|\n" * 20_000]
)
def test_time_grows_no_faster_than_the_text(text: str):
    started = time.monotonic()
    chunk(Document("d", text, "en"))
    assert time.monotonic() - started < 5


def test_sizes_must_make_sense():
    with pytest.raises(ValueError, match="target_tokens"):
        Chunking(target_tokens=10, maximum_tokens=5)
