from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.errors import ModelFileMismatch, ModelNotAvailable, UnknownName
from core.models import hub, load_embedder, load_encoder
from core.models.locate import is_available, locate
from core.models.pull import pull_model
from core.models.store import model_dir


@pytest.fixture(autouse=True)
def _empty_cache(fresh_settings: Callable[..., None]) -> None:
    fresh_settings(device="cpu", dtype="float32")


def test_a_folder_is_taken_as_it_is(tiny_encoder_folder: Path):
    assert locate(str(tiny_encoder_folder)).folder == tiny_encoder_folder
    assert locate(f"file:{tiny_encoder_folder}").fingerprint == locate(str(tiny_encoder_folder)).fingerprint
    assert is_available(str(tiny_encoder_folder))


def test_a_copied_folder_is_the_same_model_and_a_changed_one_is_not(tiny_encoder_folder: Path, tmp_path: Path):
    copied = tmp_path / "copied"
    shutil.copytree(tiny_encoder_folder, copied)
    assert locate(str(copied)).fingerprint == locate(str(tiny_encoder_folder)).fingerprint
    weights = next(copied.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert locate(str(copied)).fingerprint != locate(str(tiny_encoder_folder)).fingerprint


@pytest.mark.parametrize("name", ["/no/such/folder", "./nothing", "file:nothing"])
def test_a_path_that_leads_nowhere(name: str):
    with pytest.raises(ModelNotAvailable, match="no model folder"):
        locate(name)


@pytest.mark.parametrize("prefix", ["", "file:"])
def test_a_file_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str):
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("no model")
    for name in ("notes.txt", str(tmp_path / "notes.txt")):
        with pytest.raises(ModelNotAvailable, match="is a file") as caught:
            locate(f"{prefix}{name}")
        assert ".gguf" in caught.value.hint


def test_pickled_weights_are_not_read(tiny_encoder_folder: Path, tmp_path: Path):
    folder = tmp_path / "pickled"
    folder.mkdir()
    shutil.copy(tiny_encoder_folder / "config.json", folder)
    torch.save({"x": torch.zeros(1)}, folder / "pytorch_model.bin")
    with pytest.raises(ModelNotAvailable, match="safetensors"):
        locate(str(folder))


def test_code_in_a_folder_is_not_run(tiny_encoder_folder: Path, tmp_path: Path):
    folder = tmp_path / "coded"
    shutil.copytree(tiny_encoder_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "odd", "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelNotAvailable, match="cannot be loaded"):
        load_encoder(str(folder))
    assert not (tmp_path / "ran").exists()


def test_a_name_is_a_catalogue_name_or_a_hub_name():
    with pytest.raises(UnknownName):
        locate("tiny")
    with pytest.raises(ModelNotAvailable) as raised:
        locate("owner/tiny")
    assert "trivium models pull owner/tiny" in str(raised.value.hint)
    assert not is_available("owner/tiny")


def test_a_hub_model_is_fetched_once_and_loads(tiny_encoder_folder: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []

    def download(repository: str, folder: Path) -> None:
        asked.append(repository)
        shutil.copytree(tiny_encoder_folder, folder, dirs_exist_ok=True)

    monkeypatch.setattr(hub, "download", download)
    assert pull_model("hf:owner/tiny") == pull_model("owner/tiny") == model_dir("owner/tiny")
    assert asked == ["owner/tiny"]
    assert load_encoder("owner/tiny").model.config.hidden_size == 16


def test_a_catalogue_model_from_the_hub(tiny_encoder_folder: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []

    def download(repository: str, folder: Path) -> None:
        asked.append(repository)
        shutil.copytree(tiny_encoder_folder, folder, dirs_exist_ok=True)

    monkeypatch.setattr(hub, "download", download)
    pull_model("all-minilm-l6-v2", from_hub=True)
    assert asked == ["sentence-transformers/all-MiniLM-L6-v2"]
    assert locate("all-minilm-l6-v2", "embedder").folder == model_dir("all-minilm-l6-v2")
    with pytest.raises(ModelNotAvailable, match="not on the hub"):
        pull_model("en_core_web_sm", from_hub=True)


def test_no_network_to_the_hub(monkeypatch: pytest.MonkeyPatch):
    import httpx2
    from huggingface_hub.utils import _http

    def refuse(*_: object, **__: object) -> None:
        raise httpx2.ConnectError("[Errno -2] Name or service not known")

    monkeypatch.setattr(_http.httpx2.Client, "send", refuse)
    with pytest.raises(ModelNotAvailable, match="owner/tiny") as raised:
        pull_model("owner/tiny")
    assert "network" in str(raised.value.hint)
    assert not model_dir("owner/tiny").exists()


@pytest.mark.parametrize("name", ["../other.safetensors", "/etc/passwd", 5, None])
def test_an_index_that_leads_out_of_its_folder_is_refused(tiny_encoder_folder: Path, tmp_path: Path, name: object):
    folder = tmp_path / "given/model"
    shutil.copytree(tiny_encoder_folder, folder)
    (folder / "model.safetensors").rename(folder.parent / "other.safetensors")
    shutil.copy(folder.parent / "other.safetensors", folder / "part.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(ModelFileMismatch, match=r"missing from|cannot be read"):
        locate(str(folder))


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "1_Pooling/config.json"])
def test_settings_beyond_all_bounds_are_not_read(tiny_encoder_folder: Path, tmp_path: Path, file: str):
    folder = tmp_path / "model"
    shutil.copytree(tiny_encoder_folder, folder)
    (folder / file).parent.mkdir(exist_ok=True)
    with (folder / file).open("wb") as stream:
        stream.truncate(2**30)
    with pytest.raises(ModelFileMismatch, match="1024 MiB"):
        locate(str(folder))


@pytest.mark.parametrize("content", ['{"max_seq_length": NaN}', "[" * 100_000, "{"])
def test_rules_of_an_encoder_that_cannot_be_read(tiny_encoder_folder: Path, tmp_path: Path, content: str):
    folder = tmp_path / "model"
    shutil.copytree(tiny_encoder_folder, folder)
    (folder / "sentence_bert_config.json").write_text(content)
    with pytest.raises(ModelNotAvailable, match=r"sentence_bert_config\.json"):
        load_embedder(str(folder))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", "[" * 100_000),
        ("config.json", "[1]"),
        ("config.json", '{"model_type": "bert", "hidden_size": NaN}'),
        ("tokenizer_config.json", "[1]"),
    ],
)
def test_settings_that_are_none_are_told(tiny_encoder_folder: Path, tmp_path: Path, file: str, content: str):
    folder = tmp_path / "model"
    shutil.copytree(tiny_encoder_folder, folder)
    (folder / file).write_text(content)
    with pytest.raises(ModelNotAvailable, match="cannot be loaded"):
        load_encoder(str(folder))
