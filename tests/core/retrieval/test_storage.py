"""The index on disk: what lies there, and what an interrupted save leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from core.retrieval import HybridIndex, storage


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path, embedder, documents) -> Path:
    HybridIndex.open(tmp_path / "kb.index", embedder=embedder).add(documents)
    return tmp_path / "kb.index"


def test_the_folder_is_readable_and_names_what_it_was_built_with(folder, documents):
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["embedder"] == "fake" and manifest["dimension"] == 64 and len(manifest["probe"]) == 64
    assert list(manifest["documents"]) == [document.id for document in documents]
    passages = (folder / manifest["generation"] / "passages.jsonl").read_text(encoding="utf-8")
    assert "补办一张卡收费六欧元" in passages
    assert {Path(name).suffix for name in files(folder)} == {".json", ".jsonl", ".npy", ""}  # "" is the lock


def test_a_save_leaves_one_generation(folder, embedder, documents):
    index = HybridIndex.open(folder, embedder=embedder)
    index.remove(["cards-zh"])
    assert len(list(folder.glob("generation-*"))) == 1


@pytest.mark.parametrize("failing", ["LexicalIndex.save", "write_atomic"])
def test_a_failed_save_leaves_the_old_index_on_disk_and_in_memory(monkeypatch, folder, embedder, documents, failing):
    before = files(folder)
    index = HybridIndex.open(folder, embedder=embedder)

    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(f"core.retrieval.storage.{failing}", fail)
    with pytest.raises(OSError, match="No space left"):
        index.remove(["cards-en"])
    assert files(folder) == before
    assert index.document_ids == ("cards-en", "refunds-en", "cards-zh")


def test_a_process_killed_during_a_save_leaves_the_old_index(folder, embedder, documents):
    script = f"""
        import os, sys
        sys.path.insert(0, {os.getcwd()!r})
        from pathlib import Path
        from core.retrieval import storage
        folder = Path({str(folder)!r})
        snapshot = storage.load_snapshot(folder, storage.read_manifest(folder))
        storage.write_atomic = lambda path, content: os._exit(9)  # killed before the manifest is replaced
        storage.save_snapshot(folder, snapshot, embedder="fake", probe=[1.0], spread=1.0)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False, timeout=60)
    assert done.returncode == 9
    assert len(list(folder.glob("generation-*"))) == 2  # the old one, and the leavings

    index = HybridIndex.open(folder, embedder=embedder)
    assert index.search("refund")[0].passage.document_id == "refunds-en"
    index.remove(["cards-zh"])
    assert len(list(folder.glob("generation-*"))) == 1  # the next save clears up


def test_leavings_of_a_first_save_do_not_make_the_folder_foreign(tmp_path, embedder, documents):
    (tmp_path / "kb.index" / "generation-0123").mkdir(parents=True)
    (tmp_path / "kb.index" / ".lock").touch()
    index = HybridIndex.open(tmp_path / "kb.index", embedder=embedder)
    index.add(documents)
    assert len(list((tmp_path / "kb.index").glob("generation-*"))) == 1


def test_other_tokens_than_ours_are_made_anew(monkeypatch, folder, embedder):
    expected = HybridIndex.open(folder, embedder=embedder).search("replacement card")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / "manifest.json").write_text(json.dumps({**manifest, "tokens_version": -1}), encoding="utf-8")
    monkeypatch.setattr(storage.LexicalIndex, "load", None)  # must not be read
    assert HybridIndex.open(folder, embedder=embedder).search("replacement card") == expected


def test_another_format_is_refused(folder, embedder):
    (folder / "manifest.json").write_text('{"format": 99}')
    with pytest.raises(storage.InputError, match="has format 99"):
        HybridIndex.open(folder, embedder=embedder)
