"""Adapters on disk: nothing is read that is not what the card names, and nothing is half written."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

import pytest
import tiny_adapters as tiny
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError, ModelFileMismatch, ModelNotAvailable, UnknownName
from core.models import (
    Adapter,
    AdapterCard,
    AdapterSet,
    Measurement,
    adapter_names,
    promote_adapter,
    read_adapter,
    remove_adapter,
)
from core.models import adapters as adapters_module
from core.models.adapter_config import read_lora_config
from core.models.adapter_store import adapters_dir
from core.models.adapters import CARD, CONFIG, WEIGHTS, with_report


@pytest.fixture(scope="module")
def adapters() -> AdapterSet:
    adapters = AdapterSet(tiny.build("llama"))
    tiny.trained(adapters, "first", seed=1, targets="attention")
    tiny.trained(adapters, "second", seed=2, targets="attention")
    tiny.trained(adapters, "third", seed=3, targets="attention")
    return adapters


def save(adapters: AdapterSet, which: str, folder: Path, name: str = "answers") -> Adapter:
    return adapters.save(which, folder, tiny.card_for(adapters.loaded, name))


def test_the_card_comes_back_whole(adapters, tmp_path) -> None:
    report = (
        Measurement(metric="rouge_l", value=0.41, interval=(0.38, 0.44), n=200),
        Measurement(metric="kl", value=2.5, n=200),
    )
    card = tiny.card_for(adapters.loaded, "answers", report=report, config={"模型": "小", "steps": 3, "lr": 1e-4})
    saved = adapters.save("first", tmp_path / "a", card)
    read = read_adapter(tmp_path / "a")
    assert read == saved and read.card == card.model_copy(update={"files": saved.card.files})
    assert set(read.card.files) == {CONFIG, WEIGHTS}
    assert read.card.measurement("rouge_l") == report[0] and read.card.measurement("bleu") is None
    assert read.card.created.utcoffset() is not None
    assert with_report(read, ()).card.report == () and read_adapter(tmp_path / "a").card.report == ()


def test_the_same_adapter_is_written_with_the_same_bytes(adapters, tmp_path) -> None:
    first, again = save(adapters, "first", tmp_path / "a"), save(adapters, "first", tmp_path / "b")
    assert first.card.files == again.card.files


@pytest.mark.parametrize("file", [CONFIG, WEIGHTS])
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "empty"])
def test_a_damaged_file_is_refused(adapters, tmp_path, file, damage) -> None:
    saved = save(adapters, "first", tmp_path / "a")
    path = saved.folder / file
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes({"flipped": bytes(data), "cut": bytes(data[:-7]), "empty": b""}[damage])
    with pytest.raises((ModelFileMismatch, InputError), match=file):
        read_adapter(saved.folder)


@pytest.mark.parametrize(
    "card",
    [
        "",
        "{",
        "[]",
        '{"name": "a"}',
        '{"name": "../a", "base": "", "base_fingerprint": "", "data_sha256": "", "seed": 0}',
    ],
)
def test_a_card_that_cannot_be_used_is_refused(adapters, tmp_path, card) -> None:
    saved = save(adapters, "first", tmp_path / "a")
    (saved.folder / CARD).write_text(card)
    with pytest.raises(ModelNotAvailable, match="card"):
        read_adapter(saved.folder)


def test_a_card_larger_than_an_upload_is_not_read(adapters, tmp_path, fresh_settings) -> None:
    saved = save(adapters, "first", tmp_path / "a")
    fresh_settings(max_upload_mb=1)
    with (saved.folder / CARD).open("r+b") as stream:
        stream.truncate(1024**2 + 1)
    with pytest.raises(ModelNotAvailable, match="limit is 1 MiB"):
        read_adapter(saved.folder)


def test_what_is_no_adapter_is_refused(adapters, tmp_path, fresh_settings) -> None:
    with pytest.raises(UnknownName, match="no adapter named 'nowhere'"):
        read_adapter("nowhere")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("x")
    with pytest.raises(ModelNotAvailable, match="is not an adapter"):
        read_adapter(tmp_path / "mine")
    with pytest.raises(InputError, match="something else"):
        save(adapters, "first", tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "x"


def test_weights_that_are_not_finite_are_not_saved_over_good_ones(adapters, tmp_path) -> None:
    good = save(adapters, "first", tmp_path / "a")
    parameter = adapters.parameters("second")[0]
    kept = parameter.data[0, 0].item()
    parameter.data[0, 0] = float("nan")
    with pytest.raises(InputError, match="not finite"):
        save(adapters, "second", tmp_path / "a")
    parameter.data[0, 0] = kept
    assert read_adapter(tmp_path / "a") == good


class Killed(BaseException):
    """What no code of ours may catch."""


def kill_at(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """Let the process end before the given one of the calls that change the disk's names or write files."""
    left = [call]

    def counted(function):
        def run(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return function(*arguments, **options)

        return run

    for owner, name in (
        (Path, "rename"),
        (Path, "write_bytes"),
        (Path, "write_text"),
        (Path, "symlink_to"),
        (os, "replace"),
    ):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    monkeypatch.setattr(shutil, "rmtree", counted(shutil.rmtree))


@pytest.mark.parametrize("call", range(12))
def test_a_process_killed_while_saving_leaves_the_old_or_the_new(adapters, tmp_path, call) -> None:
    old = save(adapters, "first", tmp_path / "a")
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, call)
        try:
            new = save(adapters, "second", tmp_path / "a")
        except Killed:
            new = None
    found = read_adapter(tmp_path / "a")
    assert found == (new or found) and len(found.card.files) == 2
    if new is None and found.card.files != old.card.files:  # killed while clearing up after the change
        assert call >= 5
    after = save(adapters, "third", tmp_path / "a")
    assert read_adapter(tmp_path / "a") == after
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("call", range(14))
def test_a_process_killed_while_promoting_leaves_the_old_or_the_new(adapters, tmp_path, fresh_settings, call) -> None:
    first, second = save(adapters, "first", tmp_path / "a"), save(adapters, "second", tmp_path / "b")
    promote_adapter(first)
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, call)
        with contextlib.suppress(Killed):
            promote_adapter(second)
    assert read_adapter("answers").card.files in (first.card.files, second.card.files)
    promote_adapter(second)
    assert read_adapter("answers").card.files == second.card.files
    assert read_adapter("answers.previous").card.files == first.card.files
    assert adapter_names() == ["answers"]


def test_a_name_keeps_what_it_stood_for_before(adapters, tmp_path, fresh_settings) -> None:
    made = [save(adapters, which, tmp_path / which) for which in ("first", "second", "third")]
    assert adapter_names() == []
    for adapter in made:
        promote_adapter(adapter)
    assert read_adapter("answers").card.files == made[2].card.files
    assert read_adapter("answers.previous").card.files == made[1].card.files
    versions = [path for path in adapters_dir().iterdir() if path.is_dir() and not path.is_symlink()]
    assert len(versions) == 2  # the first is gone
    promote_adapter(made[2])  # what it stands for already
    assert read_adapter("answers.previous").card.files == made[1].card.files
    promote_adapter(read_adapter("answers.previous"), "answers")  # back again
    assert read_adapter("answers").card.files == made[1].card.files
    assert read_adapter("answers.previous").card.files == made[2].card.files


def test_names_do_not_disturb_one_another(adapters, tmp_path, fresh_settings) -> None:
    first, second = save(adapters, "first", tmp_path / "a"), save(adapters, "second", tmp_path / "b")
    assert promote_adapter(first, "risk").name == "risk"
    promote_adapter(second, "risk-zh")
    remove_adapter("risk")
    assert adapter_names() == ["risk-zh"]
    assert read_adapter("risk-zh").card.files == second.card.files
    with pytest.raises(UnknownName, match="Did you mean 'risk-zh'"):
        read_adapter("risk_zh")
    with pytest.raises(UnknownName):
        remove_adapter("risk")
    with pytest.raises(InputError, match="cannot be an adapter's name"):
        promote_adapter(first, "../risk")


def test_a_config_that_could_not_be_undone_is_refused(adapters, tmp_path) -> None:
    saved = save(adapters, "first", tmp_path / "a")
    config = json.loads(saved.read(CONFIG))
    assert read_lora_config(json.dumps(config), "x").r == 4
    for change in (
        {"bias": "all"},
        {"init_lora_weights": "pissa"},
        {"megatron_config": {}, "megatron_core": "antigravity"},
        {"layer_replication": [[0, 2]]},
        {"peft_type": "IA3"},
        {"invented": 1},
    ):
        with pytest.raises(ModelNotAvailable):
            read_lora_config(json.dumps(config | change), "x")
    for text in ("", "[]", "null", "{"):
        with pytest.raises(ModelNotAvailable):
            read_lora_config(text, "x")


@given(st.text(max_size=70))
def test_a_name_never_leads_out_of_its_folder(name: str) -> None:
    if adapters_module.is_adapter_name(name):
        assert Path(name).name == name and "." not in name and not name.startswith("-")
        AdapterCard(name=name, base="b", base_fingerprint="f", data_sha256="d", seed=0)


def test_the_command_line_lists_describes_names_and_removes(adapters, tmp_path, fresh_settings, run_cli) -> None:
    assert "none" in run_cli("adapters", "list")[1]
    report = (Measurement(metric="rouge_l", value=0.412, interval=(0.38, 0.44), n=200),)
    adapters.save("first", tmp_path / "a", tiny.card_for(adapters.loaded, "answers", report=report))
    code, out, _ = run_cli("adapters", "promote", tmp_path / "a")
    assert code == 0 and "answers now stands for" in out and "previous" not in out
    save(adapters, "second", tmp_path / "b")
    assert "before: answers.previous" in run_cli("adapters", "promote", tmp_path / "b")[1]
    assert "not evaluated" in run_cli("adapters", "list")[1]
    code, out, _ = run_cli("adapters", "info", "answers.previous")
    assert code == 0
    for part in ("tiny-llama", "not on this machine", "0.412, 95 % interval 0.38 to 0.44, n = 200", "seed 7"):
        assert part in out
    weights = adapters_dir() / "answers" / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "cannot be used" in run_cli("adapters", "list")[1]
    code, _, err = run_cli("adapters", "info", "answers")
    assert code == 1 and "sha256" in err
    assert run_cli("adapters", "remove", "answers")[0] == 0
    code, _, err = run_cli("adapters", "remove", "answers")
    assert code == 1 and "no adapter named 'answers'" in err
