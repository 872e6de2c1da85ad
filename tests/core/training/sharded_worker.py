"""What a process does in `test_sharding`: supervised learning with the weights in parts over two processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from team_worker import Rows, supervised, tiny

from core.training.loop import LoopConfig, run
from core.training.team import Accelerated, Team, current_team, leave_at_exit


def sharding_team(kind: str) -> Team:
    """accelerate hands FSDP2 to GPUs only; torch itself also shards on CPUs."""
    if kind != "fsdp2":
        return current_team()
    from accelerate import Accelerator, DistributedType, FullyShardedDataParallelPlugin

    accelerator = Accelerator()
    leave_at_exit()
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin()
    accelerator.state.distributed_type = DistributedType.FSDP
    return Accelerated(accelerator)


def main(kind: str, folder: Path, out: Path) -> None:
    """The whole of a run, and the second half of one that a single process began."""
    from safetensors.torch import save_file
    from torch.distributed.tensor import DTensor

    team = sharding_team(kind)
    assert team.size == 2
    assert team.sharding == ("fsdp2" if kind == "fsdp2" else "deepspeed")
    loaded = tiny(folder)
    learner = supervised(loaded, team)
    if kind == "fsdp2":
        assert all(isinstance(one, DTensor) for one in loaded.model.parameters())
    figures = [dict(learner.step(index)) for index in range(2)]
    held_out = learner.evaluate(Rows())["loss"]
    tensors = dict(learner.state().tensors)
    if team.rank == 0:
        save_file(tensors, out / "tensors.safetensors")
    result = run(learner, LoopConfig(steps=4, checkpoint_every=2, trackers=()), out / "resumed", team=team)
    resumed = dict(learner.state().tensors)
    if team.rank == 0:
        save_file(resumed, out / "resumed.safetensors")
        report = {"figures": figures, "held_out": held_out, "resumed_at": result.resumed_at}
        (out / "report.json").write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
