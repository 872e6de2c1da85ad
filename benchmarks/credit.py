"""GRPO with the credit of whole responses, and with credit by steps, where a response is a row of separate decisions.

    python -m benchmarks.credit [--seeds 10]

A prompt of four words, a response of 12: each must be of the one of four kinds that its place and the prompt call for.
A step is a word, the reward the share of right words; a random model of two layers learns for 60 steps of 64 responses.
What is given is the mean reward of the last five steps with its standard error over seeds, for learning rates a factor
of two apart. One JSON object on the last line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch

from benchmarks.word_models import random_model, word_tokenizer
from core.metrics.metric import Milestone
from core.training.algorithms import GRPO
from core.training.experience import PromptItem
from core.training.optimiser import OptimiserConfig
from core.training.policy import full_policy
from core.training.policy_learner import PolicyLearner
from core.training.practice import PracticeConfig
from core.training.reward import Sample

KINDS, WORDS_OF_A_KIND, PLACES = 4, 8, 12
STEPS, LAST = 60, 5
RATES = (1e-3, 2e-3, 4e-3)
TRACES = (None, 1.0, 0.5, 0.0)


@dataclass(frozen=True)
class RightKinds:
    """The share of a response's words that are of the kind called for; a stepwise reward."""

    name: str = "right kinds"

    def milestones(self, sample: Sample) -> list[Milestone]:
        """One a word."""
        found, end, right = [], 0, 0
        asked = [kind_of(word) for word in sample.prompt.split()]
        for place, word in enumerate(sample.text.split()[:PLACES]):
            end += len(word) + (place > 0)
            right += kind_of(word) == (asked[place % len(asked)] + place) % KINDS
            found.append(Milestone(end, right / PLACES))
        return found

    def __call__(self, samples: Sequence[Sample]) -> list[float]:
        return [found[-1].value if (found := self.milestones(sample)) else 0.0 for sample in samples]


def kind_of(word: str) -> int:
    return int(word.removeprefix("w")) % KINDS if word.startswith("w") else -1


def prompts(tokens: Any) -> list[PromptItem]:
    """Every order of the four kinds, with one word for each."""
    texts = [" ".join(f"w{kind}" for kind in kinds) for kinds in product(range(KINDS), repeat=KINDS)]
    return [PromptItem(text, tuple(tokens(text)["input_ids"]), text) for text in texts]


def learned(trace: float | None, rate: float, seed: int) -> float:
    """Mean reward of the last steps of one run."""
    words = [f"w{number}" for number in range(KINDS * WORDS_OF_A_KIND)]
    loaded = random_model("kinds", word_tokenizer(words, 32), seed, spread=0.2, tied=False)
    learner = PolicyLearner(
        full_policy(loaded),
        GRPO(samples=8, trace=trace, kl=0),
        RightKinds(),
        prompts(loaded.tokenizer),
        practice=PracticeConfig(prompts=8, max_tokens=PLACES),
        optimiser=OptimiserConfig(learning_rate=rate),
        steps=STEPS,
        seed=seed,
    )
    return statistics.fmean([learner.step(index)["reward/mean"] for index in range(STEPS)][-LAST:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Prompts of 'the model' are written in the format 'plain'")
    found: dict[str, dict[str, dict[str, float]]] = {}
    for trace in TRACES:
        title = "whole responses" if trace is None else f"steps, trace {trace:g}"
        for rate in RATES:
            rewards = [learned(trace, rate, seed) for seed in range(given.seeds)]
            error = statistics.stdev(rewards) / len(rewards) ** 0.5 if len(rewards) > 1 else 0.0
            one = {"reward": round(statistics.fmean(rewards), 3), "error": round(error, 3)}
            found.setdefault(title, {})[f"{rate:g}"] = one
            print(f"{title}, learning rate {rate:g}: {one['reward']:.3f} ± {one['error']:.3f}", flush=True)
    best = {title: max(rates.values(), key=lambda one: one["reward"]) for title, rates in found.items()}
    print(json.dumps({"benchmark": "credit", "chance": 1 / KINDS, "seeds": given.seeds, "best": best, "all": found}))


if __name__ == "__main__":
    main()
