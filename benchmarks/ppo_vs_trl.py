"""What a step of PPO costs, beside TRL's, and whether both learn the same.

    python -m benchmarks.ppo_vs_trl [--rounds 1]
    python -m benchmarks.ppo_vs_trl --curves [--seeds 20]
    python -m benchmarks.ppo_vs_trl --replay

The anchor is TRL 1.10.0, the last to have a PPO trainer, in an environment of its own. Both sides take the same random
GPT-2 (6 layers of width 384, 50,257 words), the same prompts and settings: 16 responses of 24 tokens to prompts of 64,
four epochs of one minibatch, one thread. The sides run in turn, each in a process of its own, a warm-up step first;
seconds are of processor time. "separate" has four models, as the anchor has: policy, reference, critic, reward model.
"shared" has the critic as a head on the policy and the reward as a head on the frozen reference. The anchor runs in
float32 and in its bf16 mode, and the faster of the two counts; ours runs in the number format it chooses here and, for
information, in float32.

`--curves`: a small model learns to write even ids, the share of them being the reward, from several seeds; reward and
KL to the reference are means over the last ten steps. Both sides: AdamW, learning rate falling linearly to 0, no
clipping of gradients, KL by the log ratio within the reward, whitened advantages, the critic's head starting at 0 and
without a bias. What differs is the order of the prompts and the random numbers.

`--replay`: what TRL draws in that task is given to our learner in place of its own draws, step by step, in float32 and
with a separate critic. With the same order and the same numbers, both must come to the same weights. One JSON object on
the last line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.anchors.runs import Side, apart, costs, curves, main_of, our_replay, ours, replay, share
from benchmarks.anchors.task import Task

ANCHOR = "trl-1.10.0"
SPEED = Task(steps=4)
CURVE = Task(
    vocabulary=64,
    width=64,
    layers=2,
    heads=4,
    prompt_tokens=8,
    response_tokens=16,
    prompts=32,
    steps=40,
    learning_rate=1e-3,
    reward="share",
    pool=256,
)
LAST = 10


def speed(python: Path, folder: Path, rounds: int) -> dict[str, Any]:
    sides = {
        "trl float32": Side(python, "benchmarks.anchors.trl_ppo", ("--memory", "--dtype", "float32")),
        "ours separate": ours("--memory", "--critic", "separate"),
        "ours shared": ours("--memory", "--critic", "shared"),
        "trl bfloat16": Side(python, "benchmarks.anchors.trl_ppo", ("--memory", "--dtype", "bfloat16")),
        "ours separate float32": ours("--memory", "--critic", "separate", "--dtype", "float32"),
        "ours shared float32": ours("--memory", "--critic", "shared", "--dtype", "float32"),
    }
    found = costs(sides, folder, rounds)
    fastest = min(("trl float32", "trl bfloat16"), key=lambda name: float(found[name]["seconds"]))

    return {
        "sides": found,
        "fastest_anchor": fastest,
        "ratio": share(found, fastest, "ours separate", "seconds"),
        "ratio_shared": share(found, fastest, "ours shared", "seconds"),
        "ratio_float32": share(found, "trl float32", "ours separate float32", "seconds"),
        "ratio_shared_float32": share(found, "trl float32", "ours shared float32", "seconds"),
        "peak_memory": share(found, "ours separate", fastest, "peak_mib"),
        "peak_memory_shared": share(found, "ours shared", fastest, "peak_mib"),
    }


def learning(python: Path, folder: Path, seeds: int) -> dict[str, Any]:
    sides = {
        "trl float32": Side(python, "benchmarks.anchors.trl_ppo", ("--dtype", "float32")),
        "ours separate float32": ours("--critic", "separate", "--dtype", "float32"),
        "ours separate": ours("--critic", "separate"),
        "ours shared": ours("--critic", "shared"),
    }
    found = curves(sides, folder, seeds, LAST)
    return {"sides": found, "apart": apart(found, "trl float32")}


def replaying(python: Path, folder: Path) -> dict[str, Any]:
    anchor = Side(python, "benchmarks.anchors.trl_ppo", ("--dtype", "float32"))
    return replay(anchor, our_replay("--algorithm", "ppo", "--critic", "separate"), folder)


def main() -> None:
    main_of("ppo_vs_trl", __doc__, ANCHOR, (SPEED, CURVE), speed, learning, replaying)


if __name__ == "__main__":
    main()
