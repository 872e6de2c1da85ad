"""Where in a response its score was won: the steps it consists of, and what each added."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.training.reward import Sample, StepwiseReward

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, eq=False)
class Credits:
    """P prompts with G responses each of at most K steps, B = P·G.

    Attributes:
        table: ``(P, G, K)`` what each step added to its response's score, 0 beyond the last step.
        counts: ``(P, G)`` steps of each response, at least 1.
        steps: ``(B, T)`` the step that each token belongs to; that of the last token beyond the end.
    """

    table: torch.Tensor
    counts: torch.Tensor
    steps: torch.Tensor

    def to(self, device: str) -> Credits:
        """The same there."""
        return Credits(self.table.to(device), self.counts.to(device), self.steps.to(device))

    def at_tokens(self, of_steps: torch.Tensor) -> torch.Tensor:
        """``(B, T)``: each token's value of its step, given ``(P, G, K)``."""
        return of_steps.reshape(len(self.steps), -1).gather(1, self.steps)


def not_stepwise(reward: str) -> InputError:
    """What to raise where `trace` is given and the reward has no steps."""
    return InputError(
        f"The reward '{reward}' does not say what each step of a response is worth, so 'trace' has nothing to go by.",
        hint="Leave trace out, or reward by a stepwise metric alone, such as field_f1.",
    )


def credits_of(
    reward: StepwiseReward, samples: Sequence[Sequence[Sample]], scores: Sequence[Sequence[float]], tokenizer: Any
) -> Credits:
    """Credits of the samples, a row a prompt. The last step goes on to the response's end and has what is left."""
    import torch

    rows = [
        _steps(reward, sample, score, tokenizer)
        for of_prompt, values in zip(samples, scores, strict=True)
        for sample, score in zip(of_prompt, values, strict=True)
    ]
    most = max(len(added) for added, _ in rows)
    longest = max(len(sample.response_ids) for of_prompt in samples for sample in of_prompt)
    table = torch.tensor([added + [0.0] * (most - len(added)) for added, _ in rows], dtype=torch.float32)
    steps = torch.tensor([[bisect_left(ends, token + 1) for token in range(longest)] for _, ends in rows])
    counts = torch.tensor([len(added) for added, _ in rows])
    shape = (len(samples), len(samples[0]))
    return Credits(table.reshape(*shape, most), counts.reshape(shape), steps)


def _steps(reward: StepwiseReward, sample: Sample, score: float, tokenizer: Any) -> tuple[list[float], list[int]]:
    """What each step added, and how many tokens there are up to the end of each but the last."""
    milestones = reward.milestones(sample)
    before = [0.0, *(one.value for one in milestones[:-1])]
    after = [*(one.value for one in milestones[:-1]), score]
    ends = [_tokens_up_to(sample, one.end, tokenizer) for one in milestones[:-1]]
    return [late - early for early, late in zip(before, after, strict=True)], ends


def _tokens_up_to(sample: Sample, end: int, tokenizer: Any) -> int:
    """How many tokens of the response it takes to hold the first `end` characters of its text."""
    ids = sample.response_ids

    def characters(count: int) -> int:
        return len(tokenizer.decode(list(ids[:count]), skip_special_tokens=True))

    whole = tokenizer.decode(list(ids), skip_special_tokens=True)
    outside = len(whole) - len(whole.lstrip())  # a sample's text is without the space before it
    return bisect_left(range(len(ids)), outside + end, key=characters)
