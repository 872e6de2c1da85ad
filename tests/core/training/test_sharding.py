from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from core.errors import ConfigError, InputError
from core.training.launch import launch_command
from core.training.loop import LoopConfig, run
from core.training.optimiser import Optimiser, OptimiserConfig
from core.training.team import Accelerated, Alone, current_team

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
without_deepspeed = pytest.mark.skipif(importlib.util.find_spec("deepspeed") is None, reason="needs deepspeed")
KINDS = [
    ("fsdp2", "gpt2"),  # its output matrix is that of the input words
    pytest.param("zero2", "qwen2", marks=without_deepspeed),
    pytest.param("zero3", "qwen2", marks=without_deepspeed),
]


def worker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("team_worker", HERE / "team_worker.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("kind", "model"), KINDS)
def test_weights_in_parts_learn_as_whole_ones_do(
    kind: str, model: str, tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    work, folder = worker(), tiny_folders[model]
    alone = work.supervised(work.tiny(folder), Alone())
    run(alone, LoopConfig(steps=2, checkpoint_every=2, trackers=()), tmp_path / "resumed")
    after_two = {key: value.clone() for key, value in alone.state().tensors.items()}
    held_out = alone.evaluate(work.Rows())["loss"]
    alone.step(2)
    alone.step(3)
    command = [str(HERE / "sharded_worker.py"), kind, str(folder), str(tmp_path)]
    arguments, environment = launch_command("ddp-cpu" if kind == "fsdp2" else kind, command, processes=2)
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}"}
    if kind == "fsdp2":
        environment |= {"FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP"}
    done = subprocess.run(
        arguments, env={**os.environ, **environment}, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert report["resumed_at"] == 2
    assert report["held_out"] == pytest.approx(held_out, abs=1e-5)
    for name, expected in (("tensors", after_two), ("resumed", alone.state().tensors)):
        found = load_file(tmp_path / f"{name}.safetensors")
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert float((found[key] - value).abs().max()) <= 1e-5, key


def test_stages_that_need_all_weights_refuse_to_be_sharded() -> None:
    accelerator = SimpleNamespace(
        process_index=0, num_processes=2, distributed_type=SimpleNamespace(value="FSDP"), is_fsdp2=True
    )
    with pytest.raises(InputError, match="supervised stages"):
        Optimiser({"one": torch.nn.Parameter(torch.ones(1))}, OptimiserConfig(), team=Accelerated(accelerator))
    accelerator.is_fsdp2 = False
    with pytest.raises(InputError, match="version 2"):
        Accelerated(accelerator)


@pytest.mark.parametrize("sharding", ["", "FSDP"])
def test_a_launch_that_accelerate_would_quietly_change_is_refused(
    sharding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    accelerator = SimpleNamespace(
        process_index=0, num_processes=2 if sharding else 1, distributed_type=SimpleNamespace(value="MULTI_CPU")
    )
    monkeypatch.setattr("accelerate.Accelerator", lambda **_: accelerator)
    monkeypatch.setenv("WORLD_SIZE", "2")
    if sharding:
        monkeypatch.setenv(f"ACCELERATE_USE_{sharding}", "true")
    with pytest.raises(ConfigError, match="does not work on this machine"):
        current_team()
