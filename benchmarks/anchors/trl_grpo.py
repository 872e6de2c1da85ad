"""The anchor's side of `benchmarks.grpo_vs_trl`; runs in the anchor's environment, without our code.

python -m benchmarks.anchors.trl_grpo FOLDER --dtype float32 --seeds 0
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from benchmarks.anchors.measure import Meter
from benchmarks.anchors.record import Recorder
from benchmarks.anchors.side import run_side
from benchmarks.anchors.task import Task


def share_of_even(completion_ids: list[list[int]], **_: Any) -> list[float]:
    return [sum(token % 2 == 0 for token in ids) / len(ids) for ids in completion_ids]


class Recorded(GRPOTrainer):  # type: ignore[misc]
    """Writes down the tokens that its loss is made of."""

    recorder: Recorder | None = None

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        made = super()._generate_and_score_completions(inputs)
        if self.recorder is not None:
            prompts, responses = (
                [ids[mask.bool()].tolist() for ids, mask in zip(made[f"{part}_ids"], made[f"{part}_mask"], strict=True)]
                for part in ("prompt", "completion")
            )
            self.recorder.drawn(prompts, responses)
        return made


class Laps(TrainerCallback):  # type: ignore[misc]
    def __init__(self, *, memory: bool, recorder: Recorder | None) -> None:
        self.meter: Meter | None = None
        self.memory = memory
        self.recorder = recorder
        self.figures: dict[str, list[float]] = {"rewards": [], "kls": [], "losses": [], "gradient_norms": []}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.meter = Meter(warm_up=1, memory=self.memory)

    def on_log(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        logs: dict[str, float] = given["logs"]
        if "reward" in logs:
            for values, name in zip(self.figures.values(), ("reward", "kl", "loss", "grad_norm"), strict=True):
                values.append(logs[name])

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        assert self.meter is not None
        self.meter.lap()
        if self.recorder is not None:
            self.recorder.learned(dict(given["model"].named_parameters()))


def run(folder: Path, task: Task, given: argparse.Namespace, seed: int) -> dict[str, Any]:
    batch = task.prompts * task.draws
    with tempfile.TemporaryDirectory() as output:
        config = GRPOConfig(
            output_dir=output,
            seed=seed,
            max_steps=task.steps,
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=1,
            num_generations=task.draws,
            max_completion_length=task.response_tokens,
            num_iterations=1,
            beta=task.kl,
            use_bias_correction_kl=False,
            learning_rate=task.learning_rate,
            max_grad_norm=1e9,
            gradient_checkpointing=given.checkpointing,
            bf16=given.dtype == "bfloat16",
            use_cpu=not torch.cuda.is_available(),
            report_to=[],
            save_strategy="no",
            logging_steps=1,
            disable_tqdm=True,
        )
        tokenizer = AutoTokenizer.from_pretrained(folder / "policy")
        dataset = Dataset.from_dict({"prompt": [tokenizer.decode(ids) for ids in task.prompt_ids]})
        recorder = Recorder(given.record) if given.record else None
        laps = Laps(memory=given.memory, recorder=recorder)
        trainer = Recorded(
            model=str(folder / "policy"),
            reward_funcs=share_of_even,
            args=config,
            train_dataset=dataset,
            processing_class=tokenizer,
            callbacks=[laps],
        )
        trainer.recorder = recorder
        trainer.train()
    assert laps.meter is not None
    return laps.meter.report() | laps.figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--checkpointing", action="store_true", help="compute activations twice, as is its default")
    parser.add_argument("--record", type=Path, help="a folder to make: what was drawn, and the weights after each step")
    run_side(parser, run)


if __name__ == "__main__":
    main()
