from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def prepared(tmp_path: Path, run_cli: Any, fresh_settings: Any) -> Path:
    subjects = ["my", "the", "a", "why", "so", "is", "was", "pay", "open", "lost"]
    rows = [
        {"text": f"{one} {other} {key}", "label": label}
        for one in subjects
        for other in subjects[:6]
        for key, label in (("stolen card", "theft"), ("high fee", "price"))
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    options = ("--stratify", "--similarity", 0, "--out", tmp_path / "prepared")
    code, _, err = run_cli("train", "prepare", path, *options)
    assert code == 0, err
    return tmp_path / "prepared"


def test_learn_then_label(
    prepared: Path, encoder_folder: Path, tmp_path: Path, run_cli: Any, fresh_settings: Any
) -> None:
    options = ("--base", encoder_folder, "--weights", "full", "--learning-rate", 3e-3, "--steps", 24)
    options += ("--batch", 8, "--max-tokens", 32)
    code, out, err = run_cli("train", "classify", prepared, "--out", tmp_path / "kept", *options)
    assert code == 0, err
    assert "2 classes on" in out and "test" in out and "calibration_error" in out
    code, out, err = run_cli("train", "label", tmp_path / "kept", "my stolen card", "high fee", "so " * 200)
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0, err
    assert [row[0] for row in rows[:2]] == ["theft", "price"]
    assert "tokens were not read" in rows[2][2]


def test_wrong_use_is_told(
    prepared: Path, encoder_folder: Path, tmp_path: Path, run_cli: Any, fresh_settings: Any
) -> None:
    base = ("--base", encoder_folder)
    a_file = tmp_path / "file"
    a_file.write_text("text", encoding="utf-8")
    code, _, err = run_cli("train", "classify", tmp_path, "--out", tmp_path / "kept", *base)
    assert code == 1 and "no folder of prepared data" in err
    code, _, err = run_cli("train", "classify", prepared, "--out", tmp_path, *base)
    assert code == 1 and "something else than a classifier" in err
    code, _, err = run_cli("train", "classify", prepared, "--out", a_file / "kept", *base)
    assert code == 1 and "cannot be written: Not a directory" in err
    probe = ("--steps", 0, "--max-tokens", 32)
    code, out, err = run_cli("train", "classify", prepared, "--out", tmp_path / "kept", *base, *probe)
    assert code == 0 and "begins as a probe" in out, err
    code, _, err = run_cli("train", "classify", prepared, "--out", tmp_path / "more", *base, "--steps", -1)
    assert code == 1 and "'steps' cannot be used" in err
    code, _, err = run_cli("train", "classify", prepared, "--out", tmp_path / "long", *base)
    assert code == 1 and "reads 64 tokens at most, not 128" in err
    code, _, err = run_cli("train", "label", tmp_path / "none", "text")
    assert code == 1 and "There is no classifier or folder named" in err
