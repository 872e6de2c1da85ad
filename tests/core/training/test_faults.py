from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from core.errors import InputError
from core.training.checkpoint import checkpoints
from core.training.faults import Diverged
from core.training.journal import read_journal
from core.training.loop import LoopConfig, run
from core.training.supervised import CausalObjective, SupervisedLearner
from core.training.team import Alone

HERE = Path(__file__).parent
CONFIG = LoopConfig(steps=5, checkpoint_every=2, samples_every=2, trackers=())


def worker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("team_worker", HERE / "team_worker.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WORK = worker()


@pytest.mark.parametrize("where", ["step", "checkpoint"])
def test_a_process_that_is_killed_goes_on_bit_by_bit(where: str, tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tiny_folders["qwen2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{HERE.parents[2]}{os.pathsep}{HERE}"}
    command = [sys.executable, str(HERE / "killed_worker.py"), where, str(folder), str(tmp_path / "killed")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr[-4000:]
    intact = 2
    assert checkpoints(tmp_path / "killed")[-1][0] == intact
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the killed process: sums are added up in another order by several
    try:
        resumed = WORK.practised(WORK.tiny(folder), "ppo", Alone())
        assert run(resumed, CONFIG, tmp_path / "killed").resumed_at == intact
        whole = WORK.practised(WORK.tiny(folder), "ppo", Alone())
        run(whole, CONFIG, tmp_path / "whole")
    finally:
        torch.set_num_threads(threads)
    one, other = whole.state(), resumed.state()
    assert one.numbers == other.numbers
    assert one.tensors.keys() == other.tensors.keys()
    assert all(torch.equal(value, other.tensors[name]) for name, value in one.tensors.items())
    journals = [
        [{key: row[key] for key in row if not re.search("seconds|resident", key)} for row in read_journal(place)]
        for place in (tmp_path / "whole", tmp_path / "killed")
    ]
    assert journals[0] == journals[1]


def test_a_loss_that_is_no_number_names_the_items_and_keeps_the_checkpoint(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    loaded = WORK.tiny(tiny_folders["qwen2"])
    learner = WORK.supervised(loaded, Alone())

    def poison(done: int, _: int) -> None:
        if done == 3:
            with torch.no_grad():
                loaded.model.get_output_embeddings().weight[0, 0] = float("nan")

    with pytest.raises(Diverged, match=r"Step 3: the loss.*items \[") as caught:
        run(learner, LoopConfig(steps=6, checkpoint_every=2, trackers=()), tmp_path, progress=poison)
    assert "last checkpoint is intact" in str(caught.value.hint)
    again = WORK.supervised(WORK.tiny(tiny_folders["qwen2"]), Alone())
    assert run(again, LoopConfig(steps=6, checkpoint_every=2, trackers=()), tmp_path).resumed_at == 2


def test_data_without_a_batch_is_refused(tiny_folders: dict[str, Path]) -> None:
    class Nothing(WORK.Rows):  # type: ignore[name-defined,misc]
        def __len__(self) -> int:
            return 0

    loaded = WORK.tiny(tiny_folders["qwen2"])
    named = dict(loaded.model.named_parameters())
    with pytest.raises(InputError, match="no batches"):
        SupervisedLearner(loaded.model, named, CausalObjective(), Nothing(), optimiser=WORK.STEADY, steps=1, seed=0)
