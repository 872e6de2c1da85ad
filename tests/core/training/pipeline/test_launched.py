from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from core.cli import main
from core.training.launch import launch_command
from core.training.pipeline.stages import ADAPTER_FOLDER

ROOT = Path(__file__).parents[4]


def launched(recipe: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = ["-m", "core.cli", "train", "run", str(recipe), "--out", str(out), *more]
    arguments, environment = launch_command("ddp-cpu", command, processes=2)
    environment = {**os.environ, **environment, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=280, check=False)


def test_a_recipe_comes_to_the_same_in_two_processes(write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    recipe = write_recipe()
    assert main(["train", "run", str(recipe), "--out", str(tmp_path / "alone")]) == 0
    done = launched(recipe, tmp_path / "two")
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.count("Result: ") == 1
    for folder in (f"1-sft/{ADAPTER_FOLDER}", ADAPTER_FOLDER):
        alone, two = (load_file(tmp_path / each / folder / "adapter_model.safetensors") for each in ("alone", "two"))
        assert alone.keys() == two.keys()
        for key, value in alone.items():
            assert two[key].numpy() == pytest.approx(value.numpy(), abs=1e-4), key
    reports = [json.loads((tmp_path / each / "report.json").read_text("utf-8")) for each in ("alone", "two")]
    assert reports[0]["data"] == reports[1]["data"]


def test_a_fault_is_told_and_ends_all_processes(write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "verdicts.py").write_text(
        "def verdict(sample):\n"
        "    if sample.prompt_id == 'cup-0':\n"
        "        raise ValueError('no verdict')\n"
        "    return 0.5\n",
        encoding="utf-8",
    )
    stage = (
        'kind = "grpo"\nmetric = "verdicts:verdict"\nsteps = 30\nprompts = 4\nsamples = 2\nmax_tokens = 4\n'
        "loop = { evaluate_every = 0, trackers = [] }"
    )
    recipe = write_recipe(stage, head="run_code = true\nadapter = { rank = 2 }")
    done = launched(recipe, tmp_path / "two")
    assert done.returncode != 0
    assert "error: The reward 'verdicts:verdict' failed: ValueError: no verdict" in done.stderr
    assert "cup-0" in done.stderr
