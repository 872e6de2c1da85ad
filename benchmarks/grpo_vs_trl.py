"""What a step of GRPO costs, beside TRL's, and whether both learn the same.

    python -m benchmarks.grpo_vs_trl [--rounds 1]
    python -m benchmarks.grpo_vs_trl --curves [--seeds 20]
    python -m benchmarks.grpo_vs_trl --replay

The anchor is TRL 1.16.0 in an environment of its own. Both sides take the same random GPT-2 (6 layers of width 384,
50,257 words), two prompts of 256 tokens a step with 8 responses of 64 each, KL coefficient 0.04, one update a step with
every token weighing the same ("dapo"), advantages in units of the group's deviation, clip 0.2, a reward that costs
nothing. The sides run in turn, each in a process of its own, a warm-up step first. On a CPU one thread, and seconds of
processor time; on a GPU, where there is one, seconds of the clock, and our model there. The anchor runs in float32 and
in its bf16 mode without gradient checkpointing, and the faster of the two counts; and, for its memory, in float32 with
it, as is its default. The memory of a step is what the process holds at most during a step over what it held before:
activations, logits and gradients.

`--curves`: a small model learns to write even ids, the share of them being the reward; reward, and KL a token as the
loss has it, are means over the last ten steps. What differs is the order of the prompts and the random numbers.

`--replay`: what TRL draws in that task is given to our learner in place of its own draws, step by step, in float32.
With the same order and the same numbers, both must come to the same weights. One JSON object on the last line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.anchors.runs import Side, apart, costs, curves, main_of, our_replay, ours, replay, share
from benchmarks.anchors.task import Task

ANCHOR = "trl-1.16.0"
SPEED = Task(prompt_tokens=256, response_tokens=64, prompts=2, draws=8, steps=4, kl=0.04, reward="share")
CURVE = Task(
    vocabulary=64,
    width=64,
    layers=2,
    heads=4,
    prompt_tokens=8,
    response_tokens=16,
    prompts=4,
    draws=8,
    steps=60,
    learning_rate=1e-3,
    kl=0.04,
    reward="share",
    pool=256,
)
LAST = 10


def anchor_side(python: Path, *arguments: str) -> Side:
    return Side(python, "benchmarks.anchors.trl_grpo", arguments)


def speed(python: Path, folder: Path, rounds: int) -> dict[str, Any]:
    sides = {
        "trl float32": anchor_side(python, "--memory"),
        "ours": ours("--algorithm", "grpo", "--memory"),
        "trl bfloat16": anchor_side(python, "--memory", "--dtype", "bfloat16"),
        "ours float32": ours("--algorithm", "grpo", "--memory", "--dtype", "float32"),
        "trl float32, checkpointing": anchor_side(python, "--memory", "--checkpointing"),
    }
    found = costs(sides, folder, rounds)
    fastest = min(("trl float32", "trl bfloat16"), key=lambda name: float(found[name]["seconds"]))

    return {
        "sides": found,
        "fastest_anchor": fastest,
        "ratio": share(found, fastest, "ours", "seconds"),
        "ratio_float32": share(found, "trl float32", "ours float32", "seconds"),
        "step_memory": share(found, "ours", fastest, "step_mib"),
        "step_memory_to_checkpointing": share(found, "ours", "trl float32, checkpointing", "step_mib"),
        "peak_memory": share(found, "ours", fastest, "peak_mib"),
    }


def learning(python: Path, folder: Path, seeds: int) -> dict[str, Any]:
    sides = {
        "trl float32": anchor_side(python),
        "ours float32": ours("--algorithm", "grpo", "--dtype", "float32"),
        "ours": ours("--algorithm", "grpo"),
    }
    found = curves(sides, folder, seeds, LAST)
    return {"sides": found, "apart": apart(found, "trl float32")}


def replaying(python: Path, folder: Path) -> dict[str, Any]:
    return replay(anchor_side(python), our_replay("--algorithm", "grpo"), folder)


def main() -> None:
    main_of("grpo_vs_trl", __doc__, ANCHOR, (SPEED, CURVE), speed, learning, replaying)


if __name__ == "__main__":
    main()
