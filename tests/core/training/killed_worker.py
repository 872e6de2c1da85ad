"""A run of `test_faults` that is killed by the system without a word, in the middle of a step or of a checkpoint."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from team_worker import LETTERS, practised, tiny

from core.training import checkpoint
from core.training.loop import LoopConfig, run
from core.training.reward import FunctionReward, Sample
from core.training.team import Alone

CONFIG = LoopConfig(steps=5, checkpoint_every=2, samples_every=2, trackers=())


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(where: str, folder: Path, out: Path) -> None:
    """Dies in step 3 (from 0), or when half of the checkpoint after step 4 is written."""
    rewarded = 0
    written = 0

    def deadly(sample: Sample) -> float:
        nonlocal rewarded
        rewarded += 1
        if where == "step" and rewarded == 3 * 8 + 5:  # four prompts a step, two responses each
            kill()
        return LETTERS([sample])[0]

    whole = checkpoint._write_through

    def half(path: Path, data: bytes) -> None:
        nonlocal written
        written += 1
        if where == "checkpoint" and written == 3:  # two files a checkpoint
            path.write_bytes(data[: len(data) // 2])
            kill()
        whole(path, data)

    checkpoint._write_through = half
    learner = practised(tiny(folder), "ppo", Alone(), FunctionReward(deadly, "small letters"))
    run(learner, CONFIG, out)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
