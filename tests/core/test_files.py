import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import FileTooLarge, UnreadableFile, UnwritableFile
from core.files import atomic_path, decode_text, read_bytes, read_json, read_json_object, sha256_of, write_atomic


def test_a_missing_file_an_empty_file_and_a_folder_are_refused_by_name(tmp_path: Path):
    (tmp_path / "empty.txt").touch()
    for path, words in [("absent.txt", "no file"), ("empty.txt", "is empty"), (".", "not a file")]:
        with pytest.raises(UnreadableFile, match=words):
            read_bytes(tmp_path / path)


def test_a_file_over_the_limit_is_refused_with_both_sizes(tmp_path: Path):
    path = tmp_path / "big.bin"
    with path.open("wb") as stream:
        stream.truncate(50 * 1024 * 1024)
    with pytest.raises(FileTooLarge, match=r"50\.0 MiB.*limit is 25 MiB"):
        read_bytes(path)


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\x00\ufeff"), min_size=1))
def test_utf8_text_survives_with_and_without_a_byte_order_mark(text: str):
    assert decode_text(text.encode("utf-8"), "x") == text
    assert decode_text(text.encode("utf-8-sig"), "x") == text


def test_chinese_encodings_are_recognised():
    text = "患者否认发热，咳嗽三天。\n既往体健。"
    for encoding in ("utf-8", "gb18030", "gbk", "utf-16"):
        assert decode_text(text.encode(encoding), "note.txt") == text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"%PDF-1.7 ...", "PDF"),
        (b"PK\x03\x04....", "ZIP"),
        (gzip.compress(b"text"), "gzip"),
        (b"\x7fELF\x02\x01", "program"),
        (b"abc\x00def", "binary"),
        (bytes(range(128, 256)), "encoding"),
        ("café".encode("latin-1"), "encoding"),
    ],
)
def test_binary_content_and_unknown_encodings_are_named(data: bytes, words: str):
    with pytest.raises(UnreadableFile, match=words):
        decode_text(data, "upload.txt")


def test_an_interrupted_write_leaves_the_old_file_and_no_rest(tmp_path: Path):
    target = tmp_path / "report.json"
    write_atomic(target, "old")
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "in").mkdir(parents=True)
    for target in (tmp_path / "file" / "report.json", tmp_path / "folder", tmp_path / ("x" * 300)):
        with pytest.raises(UnwritableFile, match="cannot be written") as caught:
            write_atomic(target, "new")
        assert str(target) in caught.value.message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_written_file_has_the_permissions_of_any_other(tmp_path: Path):
    (tmp_path / "plain").touch()
    write_atomic(tmp_path / "atomic", "x")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_sha256_of_a_known_content(tmp_path: Path):
    write_atomic(tmp_path / "abc", b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": NaN}', "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b"[1e999]", "1e999 is too large"),
        (b"[" + b"9" * 5000 + b"]", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": \n 1,}', "at line 2, column 4"),
        (b'"\xff"', "not in UTF-8"),
    ],
)
def test_json_that_is_none_is_refused_in_one_way(tmp_path: Path, content: bytes, words: str):
    path = tmp_path / "card.json"
    path.write_bytes(content)
    for read in (read_json, read_json_object):
        with pytest.raises(UnreadableFile, match=words) as caught:
            read(path)
        assert str(path) in caught.value.message


def test_json_is_bounded_and_an_object_where_one_is_needed(tmp_path: Path):
    path = tmp_path / "card.json"
    path.write_bytes(b"\xef\xbb\xbf" + '{"名": [1, 2.5]}'.encode())
    assert read_json_object(path) == read_json(path) == {"名": [1, 2.5]}
    path.write_text("[1]")
    assert read_json(path) == [1]
    with pytest.raises(UnreadableFile, match="list, not an object"):
        read_json_object(path)
    with path.open("wb") as stream:
        stream.truncate(2**30)  # sparse: a gigabyte that takes no room
    with pytest.raises(FileTooLarge):
        read_json(path)
