from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from safetensors.torch import load_file

from core.training.journal import read_journal
from core.training.launch import launch_command
from core.training.loop import LoopConfig, run
from core.training.team import Alone

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def worker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("team_worker", HERE / "team_worker.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["team_worker"] = module
    spec.loader.exec_module(module)
    return module


def launch(config: str, *command: str, processes: int = 2, seconds: float = 240) -> subprocess.CompletedProcess[str]:
    """As `trivium train launch` does it."""

    arguments, environment = launch_command(config, list(command), processes=processes)
    environment = {**os.environ, **environment, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=seconds, check=False)


WORKER = worker()


@pytest.fixture(scope="module")
def together(tiny_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """What two processes did; the supervised run goes on where one process had stopped."""
    out = tmp_path_factory.mktemp("team")
    learner = WORKER.supervised(WORKER.tiny(tiny_folders["qwen2"]), Alone())
    run(learner, LoopConfig(steps=2, checkpoint_every=2, trackers=()), out / "resumed")
    done = launch("ddp-cpu", str(HERE / "team_worker.py"), str(tiny_folders["qwen2"]), str(out))
    assert done.returncode == 0, done.stderr[-4000:]
    return out, [json.loads((out / f"report-{rank}.json").read_text("utf-8")) for rank in range(2)]


@pytest.mark.parametrize("name", list(WORKER.LEARNERS))
def test_two_processes_do_what_one_does(
    name: str, together: tuple[Path, list[Any]], tiny_folders: dict[str, Path]
) -> None:
    out, reports = together
    alone, figures = WORKER.learned(name, tiny_folders["qwen2"], Alone())
    before = WORKER.LEARNERS[name](WORKER.tiny(tiny_folders["qwen2"]), Alone()).state().tensors
    assert any(float((alone[key] - before[key]).abs().max()) > 1e-3 for key in alone)
    both = [load_file(out / f"{name} {rank}.safetensors") for rank in range(2)]
    for key, value in alone.items():
        assert float((both[0][key] - value).abs().max()) <= 1e-5, key
        assert both[0][key].equal(both[1][key]), key
    assert reports[0][name] == reports[1][name]
    for row, expected in zip(reports[0][name], figures, strict=True):
        assert row == pytest.approx(expected, abs=1e-4)


def test_a_run_of_one_process_is_continued_by_two(
    together: tuple[Path, list[Any]], tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    out, reports = together
    assert reports[0]["loop"] == reports[1]["loop"] == [2, 4, 0.5]  # the first process's evaluation counts
    learner = WORKER.supervised(WORKER.tiny(tiny_folders["qwen2"]), Alone())
    run(learner, LoopConfig(steps=4, checkpoint_every=2, trackers=()), tmp_path)
    rows = [row for row in read_journal(out / "resumed") if "loss" in row]
    assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in read_journal(tmp_path)], abs=1e-5)


def test_a_reward_that_fails_in_one_process_ends_them_all(together: tuple[Path, list[Any]]) -> None:
    messages = [report["fault"] for report in together[1]]
    own = [message for message in messages if message.startswith("The reward 'fails' failed: ")]
    assert len(own) == 1
    assert "prompt 1" in own[0]
    assert [message for message in messages if message not in own] == [
        f"Process {messages.index(own[0])} stopped: {own[0]}"
    ]


def test_a_process_leaves_its_team_before_it_ends(together: tuple[Path, list[Any]]) -> None:
    assert [(together[0] / f"left-{rank}").read_text("utf-8") for rank in range(2)] == ["True", "True"]
