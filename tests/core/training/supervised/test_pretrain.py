from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_models import CPU

from core.models import load_causal, load_encoder, load_masked_lm
from core.models.adapter_set import AdapterSet

SUBJECTS = ("card", "fee", "the card", "my fee", "a card", "a fee", "my card", "the fee")


@pytest.fixture
def prepared(tmp_path: Path, run_cli: Any, fresh_settings: Any) -> Path:
    rows = [{"text": f"{one} was so high . why is {other} open"} for one in SUBJECTS for other in SUBJECTS]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    code, _, err = run_cli("train", "prepare", path, "--similarity", 0, "--out", tmp_path / "prepared")
    assert code == 0, err
    return tmp_path / "prepared"


def _losses(out: str) -> list[float]:
    return [float(line.split("loss ")[1].split()[0]) for line in out.splitlines() if line.startswith("validation")]


@pytest.mark.parametrize("way", ["masked", "permutation"])
def test_an_encoder_goes_on_learning_and_is_a_model_like_any_other(
    way: str, prepared: Path, encoder_folder: Path, tmp_path: Path, run_cli: Any
) -> None:
    options = ("--base", encoder_folder, "--way", way, "--steps", 40, "--max-tokens", 32, "--learning-rate", 5e-3)
    code, out, err = run_cli("train", "pretrain", prepared, "--out", tmp_path / "model", *options)
    assert code == 0, err
    before, after = _losses(out)
    assert after < 0.7 * before and "it gets a new one" in out
    assert load_encoder(str(tmp_path / "model"), placement=CPU).model.config.model_type == "bert"
    again = load_masked_lm(str(tmp_path / "model"), placement=CPU)
    assert again.model.get_output_embeddings().weight is again.model.get_input_embeddings().weight
    code, _, err = run_cli("train", "pretrain", prepared, "--out", tmp_path, *options)
    assert code == 1 and "something else than a model" in err
    code, _, err = run_cli("train", "pretrain", prepared, "--out", prepared / "card.json" / "model", *options)
    assert code == 1 and "cannot be written: Not a directory" in err
    code, _, err = run_cli("train", "pretrain", prepared, "--out", tmp_path / "new", *options, "--weights", "lora")
    assert code == 1 and "all its weights" in err


@pytest.mark.parametrize("weights", ["lora", "full"])
def test_a_decoder_goes_on_learning(
    weights: str, prepared: Path, tiny_folders: dict[str, Path], tmp_path: Path, run_cli: Any
) -> None:
    base = tiny_folders["qwen2"]
    options = ("--base", base, "--steps", 20, "--max-tokens", 64, "--learning-rate", 1e-2, "--weights", weights)
    code, out, err = run_cli("train", "pretrain", prepared, "--out", tmp_path / "made", *options)
    assert code == 0, err
    before, after = _losses(out)
    assert after < 0.7 * before
    if weights == "full":
        assert load_causal(str(tmp_path / "made"), placement=CPU).model.config.model_type == "qwen2"
    else:
        adapters = AdapterSet(load_causal(str(base), placement=CPU))
        assert adapters.attach(tmp_path / "made") == "task"


def test_other_data_is_refused(encoder_folder: Path, tmp_path: Path, run_cli: Any, fresh_settings: Any) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"text": f"{one} is open", "label": label} for one in SUBJECTS for label in one.split()[-1:]]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    shares = ("--validation", 0.3, "--stratify", "--similarity", 0)
    code, _, err = run_cli("train", "prepare", path, "--out", tmp_path / "prepared", *shares)
    assert code == 0, err
    options = ("--base", encoder_folder, "--way", "masked", "--out", tmp_path / "model", "--max-tokens", 32)
    code, _, err = run_cli("train", "pretrain", tmp_path / "prepared", *options)
    assert code == 1 and "labelled records where plain texts are needed" in err
