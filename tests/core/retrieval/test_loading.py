"""Files and folders into documents, and what is said about those that cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.errors import FileTooLarge, UnreadableFile
from core.retrieval import load_bytes, load_documents

ARTICLE = """---
id: card-fees-en
language: en
title: "Fees: cards"
questions:
  - How much is a card?
  - Is the first card free?
---
The first card is free.
"""


def test_a_file_becomes_a_document(tmp_path):
    path = tmp_path / "fees.md"
    path.write_text(ARTICLE, encoding="utf-8")
    (document,) = load_documents(path)
    assert (document.id, document.title, document.language) == ("card-fees-en", "Fees: cards", "en")
    assert document.text == "The first card is free.\n" and document.source == str(path)
    assert document.metadata == {
        "language": "en",
        "format": "markdown",
        "questions": "How much is a card?\nIs the first card free?",
    }


def test_a_folder_is_read_in_the_order_of_paths(tmp_path):
    (tmp_path / "zh").mkdir()
    (tmp_path / "zh" / "费用.txt").write_text("第一张卡免费。", encoding="gb18030")
    (tmp_path / "b.txt").write_text("Second.")
    (tmp_path / "a.HTML").write_text("<h1>First</h1>")
    (tmp_path / ".hidden.md").write_text("no")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "c.md").write_text("no")
    documents = load_documents(tmp_path)
    assert [(document.id, document.language) for document in documents] == [
        *(("a.HTML", "en"), ("b.txt", "en"), ("zh/费用.txt", "zh")),
    ]
    assert documents[2].title == "费用" and documents[2].text == "第一张卡免费。"


def test_unreadable_files_of_a_folder_are_all_named(tmp_path):
    (tmp_path / "good.md").write_text("Fine.")
    (tmp_path / "empty.md").touch()
    (tmp_path / "photo.md").write_bytes(b"\x89PNG\r\n\x1a\n....")
    (tmp_path / "old.doc").write_bytes(b"\xd0\xcf\x11\xe0")
    (tmp_path / "thing.xyz").write_bytes(b"?")
    with pytest.raises(UnreadableFile) as failure:
        load_documents(tmp_path)
    message = str(failure.value)
    assert message.startswith(f"4 of the 5 files in '{tmp_path}' cannot be loaded:")
    for part in ("- empty.md: 'empty.md' is empty.", "is a PNG image", "Save it as .docx", "'thing.xyz' is of no kind"):
        assert part in message


def test_on_error_hears_of_each_and_loading_goes_on(tmp_path):
    (tmp_path / "good.md").write_text("Fine.")
    (tmp_path / "empty.md").touch()
    heard: list[tuple[str, str]] = []
    documents = load_documents(tmp_path, on_error=lambda path, error: heard.append((path.name, error.message)))
    assert [document.id for document in documents] == ["good.md"]
    assert heard == [("empty.md", "'empty.md' is empty.")]


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text("secret")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "good.md").write_text("Fine.")
    (inside / "same.md").symlink_to("good.md")
    (inside / "link.md").symlink_to(outside / "secret.md")
    (inside / "folder").symlink_to(outside)
    heard: list[str] = []
    documents = load_documents(inside, on_error=lambda path, error: heard.append(f"{path.name}: {error.message}"))
    assert [document.id for document in documents] == ["good.md", "same.md"]
    assert len(heard) == 2 and all("is a link and is not followed" in message for message in heard)


def test_a_folder_that_is_a_link_itself_can_be_named(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "good.md").write_text("Fine.")
    (tmp_path / "alias").symlink_to("real")
    assert [document.id for document in load_documents(tmp_path / "alias")] == ["good.md"]


@pytest.mark.parametrize("name", ["none.md", "none"])
def test_what_is_missing_is_named(tmp_path, name):
    with pytest.raises(UnreadableFile, match=name):
        load_documents(tmp_path / name)


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(UnreadableFile, match=r"holds no files.*\.docx"):
        load_documents(tmp_path)


def test_a_file_above_the_limit_is_refused_unread(tmp_path, fresh_settings):
    fresh_settings(max_upload_mb=1)
    path = tmp_path / "large.txt"
    with path.open("wb") as stream:
        os.truncate(stream.fileno(), 50 * 1024 * 1024)
    with pytest.raises(FileTooLarge, match=r"'large.txt' has 50.0 MiB, the limit is 1 MiB.*TRIVIUM_MAX_UPLOAD_MB"):
        load_documents(path)
    with pytest.raises(FileTooLarge, match="limit is 1 MiB"):
        load_bytes("large.txt", b"x" * 2_000_000)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.txt", b"", "is empty"),
        ("a.md", b" \n\n", "holds no text"),
        ("a.md", b"---\ntitle: x\n---\n", "holds no text"),
        ("a.txt", b"\x00\x01\x02\x03", "binary file"),
        ("a.txt", "Gebühr für Café".encode("latin-1"), "encoding of 'a.txt' is not UTF-8"),
        ("a.html", b"\x7fELF\x02", "is a program"),
        ("a.csv", b"PK\x03\x04....", "ZIP archive"),
        ("a", b"text", "is of no kind that is read"),
        ("a.pptx", b"PK", "Save it as .pdf"),
    ],
)
def test_hostile_content_is_named(name, data, said):
    with pytest.raises(UnreadableFile, match=said):
        load_bytes(name, data)


def test_control_characters_are_dropped_and_utf16_is_read():
    (document,) = load_bytes("a.txt", "卡片\x07丢了\x1b".encode("utf-16"))
    assert document.text == "卡片丢了"


def test_an_undeclared_or_foreign_language_is_detected():
    assert load_bytes("a.md", b"---\nlanguage: zh-CN\n---\nVisa")[0].language == "zh"
    (document,) = load_bytes("a.md", b"---\nlanguage: fr\n---\nThe card is free.")
    assert document.language == "en" and "language" not in document.metadata


def test_the_demo_knowledge_base_loads():
    folder = Path(__file__).parents[3] / "apps/customer_service/knowledge/articles"
    documents = load_documents(folder)
    assert len(documents) == len(list(folder.rglob("*.md"))) > 100
    assert all(document.metadata["topic"] and document.metadata["questions"] for document in documents)
    assert {document.language for document in documents} == {"zh", "en"}
