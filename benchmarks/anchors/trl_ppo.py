"""The anchor's side of `benchmarks.ppo_vs_trl`; runs in the anchor's environment, without our code.

python -m benchmarks.anchors.trl_ppo FOLDER --dtype float32 --seeds 0
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    TrainerCallback,
)
from transformers.modeling_outputs import BaseModelOutput
from trl.experimental.ppo import PPOConfig, PPOTrainer

from benchmarks.anchors.measure import Meter
from benchmarks.anchors.record import Recorder
from benchmarks.anchors.side import run_side
from benchmarks.anchors.task import Task


class Shares(torch.nn.Module):
    """The share of even ids among the response's tokens, in the form the trainer asks of a reward model."""

    base_model_prefix = "shares"

    def __init__(self, prompt_tokens: int, recorder: Recorder | None) -> None:
        super().__init__()
        self.shares, self.score = _Counter(prompt_tokens, recorder), torch.nn.Identity()


class _Counter(torch.nn.Module):
    def __init__(self, prompt_tokens: int, recorder: Recorder | None) -> None:
        super().__init__()
        self.prompt_tokens, self.recorder = prompt_tokens, recorder

    def forward(self, input_ids: torch.Tensor, **_: Any) -> BaseModelOutput:
        if self.recorder is not None:
            self.recorder.drawn(
                input_ids[:, : self.prompt_tokens].tolist(), input_ids[:, self.prompt_tokens :].tolist()
            )
        share = (input_ids[:, self.prompt_tokens :] % 2 == 0).float().mean(dim=1)
        return BaseModelOutput(hidden_states=(share[:, None, None].expand(*input_ids.shape, 1),))


class Laps(TrainerCallback):  # type: ignore[misc]
    def __init__(self, meter: Meter, recorder: Recorder | None) -> None:
        self.meter, self.recorder = meter, recorder
        self.rewards: list[float] = []
        self.kls: list[float] = []

    def on_log(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        logs: dict[str, float] = given["logs"]
        if "objective/scores" in logs:
            self.rewards.append(logs["objective/scores"])
            self.kls.append(logs["objective/kl"])

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        self.meter.lap()
        if self.recorder is not None:
            self.recorder.learned(dict(given["model"].policy.named_parameters()))


def run(folder: Path, task: Task, given: argparse.Namespace, seed: int) -> dict[str, Any]:
    def classifier(name: str) -> Any:
        return AutoModelForSequenceClassification.from_pretrained(folder / name, dtype=torch.float32)

    def policy() -> Any:
        return AutoModelForCausalLM.from_pretrained(folder / "policy", dtype=torch.float32)

    batch = task.prompts * task.draws
    with tempfile.TemporaryDirectory() as output:
        config = PPOConfig(
            output_dir=output,
            seed=seed,
            total_episodes=batch * task.steps,
            per_device_train_batch_size=batch,
            local_rollout_forward_batch_size=batch,
            gradient_accumulation_steps=1,
            num_mini_batches=1,
            num_ppo_epochs=4,
            response_length=task.response_tokens,
            temperature=1.0,
            kl_coef=task.kl,
            learning_rate=task.learning_rate,
            num_sample_generations=0,
            gradient_checkpointing=False,
            bf16=given.dtype == "bfloat16",
            use_cpu=not torch.cuda.is_available(),
            report_to=[],
            save_strategy="no",
            logging_steps=1,
            disable_tqdm=True,
        )
        dataset = Dataset.from_dict({"input_ids": task.prompt_ids})
        recorder = Recorder(given.record) if given.record else None
        laps = Laps(Meter(memory=given.memory), recorder)
        trainer = PPOTrainer(
            args=config,
            processing_class=AutoTokenizer.from_pretrained(folder / "policy"),
            model=policy(),
            ref_model=policy(),
            reward_model=classifier("reward") if task.reward == "model" else Shares(task.prompt_tokens, recorder),
            value_model=classifier("value"),
            train_dataset=dataset,
            eval_dataset=dataset,
            callbacks=[laps],
        )
        laps.meter = Meter(memory=given.memory)
        trainer.train()
    return laps.meter.report() | {"rewards": laps.rewards, "kls": laps.kls}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--record", type=Path, help="a folder to make: what was drawn, and the weights after each step")
    run_side(parser, run)


if __name__ == "__main__":
    main()
