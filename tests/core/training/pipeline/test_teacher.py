from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.inference.generator import Completion
from core.inference.local import LocalGenerator
from core.training.journal import read_journal

TAIL = "rows = 2\nrow_tokens = 128\nlearning_rate = 0.01\nloop = { evaluate_every = 3, trackers = [] }"


def test_a_stage_learns_a_teachers_distributions(
    write_recipe: Callable[..., Path], tiny_folders: dict[str, Path], tmp_path: Path, run_cli
) -> None:
    stage = f'kind = "sft"\nsteps = 6\nteacher = "{tiny_folders["gpt2"]}"\nsoft = 1.0\ntemperature = 1.5\n{TAIL}'
    code, _, err = run_cli("train", "run", write_recipe(stage), "--out", tmp_path / "out")
    assert code == 0, err
    rows = [row for row in read_journal(tmp_path / "out" / "1-sft") if "kl" in row]
    assert rows[-1]["kl"] < rows[0]["kl"] and rows[0]["loss"] == pytest.approx(1.5**2 * rows[0]["kl"], rel=1e-5)


def test_a_stage_learns_what_a_teacher_writes(
    write_recipe: Callable[..., Path],
    tiny_folders: dict[str, Path],
    tmp_path: Path,
    run_cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def generate(self: LocalGenerator, prompts: list[object], *_: object) -> list[Completion]:
        return [Completion("yes", "stop") for _ in prompts]

    monkeypatch.setattr(LocalGenerator, "generate", generate)  # random weights write nothing that ends
    stage = f'kind = "sft"\nsteps = 6\nteacher = "{tiny_folders["gpt2"]}"\nteacher_writes = true\n{TAIL}'
    code, _, err = run_cli("train", "run", write_recipe(stage), "--out", tmp_path / "out")
    assert code == 0, err
    kept = json.loads((tmp_path / "out" / "1-sft" / "teacher_answers.json").read_text())
    assert len(kept) == 12 and set(kept.values()) == {'["yes", "stop"]'}


def test_a_teacher_that_is_not_named_is_refused(write_recipe: Callable[..., Path], tmp_path: Path, run_cli) -> None:
    stage = f'kind = "sft"\nsteps = 6\nteacher_writes = true\n{TAIL}'
    code, _, err = run_cli("train", "run", write_recipe(stage), "--out", tmp_path / "out")
    assert code == 1 and "teacher_writes needs a teacher" in err
