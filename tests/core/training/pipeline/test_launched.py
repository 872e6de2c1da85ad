from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from core.cli import main
from core.errors import InputError
from core.training.launch import launch_command
from core.training.pipeline.bench import Place
from core.training.pipeline.evaluation import Evaluation
from core.training.pipeline.learners import make_work, put_together
from core.training.pipeline.reading import read_recipe
from core.training.pipeline.run import open_bench
from core.training.pipeline.stages import ADAPTER_FOLDER

ROOT = Path(__file__).parents[4]
without_deepspeed = pytest.mark.skipif(importlib.util.find_spec("deepspeed") is None, reason="needs deepspeed")
SFT = 'kind = "sft"\nsteps = 2\nrows = 2\nrow_tokens = 128\nloop = { trackers = [] }'


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


def test_sharded_weights_are_put_together_to_be_measured_and_saved(
    write_recipe: Callable[..., Path], tmp_path: Path
) -> None:
    recipe = write_recipe(SFT, head="adapter = false")
    bench = open_bench(read_recipe(recipe, []), recipe, tmp_path / "out")
    place = Place(1, tmp_path / "out/1-sft", None, None, Evaluation(()))
    work = make_work(bench.recipe.stage[0], bench, place)
    work.learner.step(0)
    learned = {name: value.clone() for name, value in work.learner.state().tensors.items()}
    assert put_together(work, bench, place) is work
    sharded = SimpleNamespace(rank=0, size=2, sharding="fsdp2")
    whole = put_together(work, dataclasses.replace(bench, team=sharded), place)  # type: ignore[arg-type]
    assert whole.policy is not None
    assert whole.policy is not work.policy
    for name, weights in whole.policy.parameters.items():
        assert torch.equal(weights, learned[f"master/{name}"])
    adapted = write_recipe(SFT, name="adapted")
    bench = open_bench(read_recipe(adapted, []), adapted, tmp_path / "adapted")
    with pytest.raises(InputError, match="only where all of them learn"):
        make_work(bench.recipe.stage[0], dataclasses.replace(bench, team=sharded), place)  # type: ignore[arg-type]


@without_deepspeed
@pytest.mark.parametrize("config", ["zero2", "zero3"])
def test_a_recipe_that_deepspeed_shards_survives_a_kill_and_comes_to_the_same(
    config: str, write_recipe: Callable[..., Path], tmp_path: Path
) -> None:
    steady = "learning_rate = 0.1\noptimiser = { epsilon = 1.0 }\n"  # a small epsilon blows rounding up to steps
    loop = "loop = { evaluate_every = 4, checkpoint_every = 2, trackers = [] }"
    stage = f'kind = "sft"\nsteps = 40\nrows = 4\nrow_tokens = 128\n{steady}{loop}'
    recipe = write_recipe(stage, head="adapter = false", tail="")
    assert main(["train", "run", str(recipe), "--out", str(tmp_path / "alone")]) == 0
    command = [sys.executable, "-m", "core.cli", "train", "launch", "--config", config, str(recipe)]
    command += ["--out", str(tmp_path / "two")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with (tmp_path / "killed.log").open("w") as log:
        killed = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        until = time.monotonic() + 240
        while killed.poll() is None and time.monotonic() < until:
            if list((tmp_path / "two").glob("1-sft/**/step-*4")):
                break
            time.sleep(0.05)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
    assert not (tmp_path / "two" / "report.json").exists(), (tmp_path / "killed.log").read_text("utf-8")[-4000:]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    alone, two = (load_file(tmp_path / each / "1-sft/model/model.safetensors") for each in ("alone", "two"))
    assert alone.keys() == two.keys()
    for key, value in alone.items():
        assert float((two[key] - value).abs().max()) <= 1e-5, key
