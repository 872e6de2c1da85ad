"""What a policy did in one step and what came of it: the rows an algorithm turns into targets to learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from core.metrics.metric import NO_CONTEXT, Context
from core.training.credit import Credits
from core.training.reward.reward import Sample
from core.training.streams import Group

if TYPE_CHECKING:
    import torch

    from core.inference.rollout import SampledTokens
    from core.training.scorer import TokenScores

Targets = Mapping[str, "torch.Tensor"]
"""Tensors by name, ``(B, T)``, or ``(B, 1)`` for one number a response; B rows in the order of the experience."""


@dataclass(frozen=True, slots=True)
class PromptItem:
    """A prompt to practise on, as tokens and as text, with what its responses are measured against."""

    id: str
    token_ids: tuple[int, ...]
    text: str
    context: Context = NO_CONTEXT


def as_sample(item: PromptItem, drawn: SampledTokens, tokenizer: Any, stop: Sequence[str] = ()) -> Sample:
    """A drawn response as a reward sees it: its text without the end token, and without the stop string it ended in."""
    text = tokenizer.decode(drawn.token_ids, skip_special_tokens=True)
    for end in stop:
        text = text.split(end, 1)[0]
    finished = drawn.finish_reason == "stop"
    return Sample(item.id, item.text, text.strip(), item.context, finished, item.token_ids, drawn.token_ids)


@dataclass(frozen=True, slots=True, eq=False)
class Experience:
    """P prompts with G responses each, B = P·G rows; tensors are float32 and without gradient.

    Attributes:
        groups: the prompts with their responses.
        mask: ``(B, T)``, true where there is a response token.
        scores: ``(P, G)`` rewards of whole responses.
        logprobs: ``(B, T)`` under the policy that drew them.
        reference: ``(B, T)`` under the reference; None where the algorithm has no use for it.
        values: ``(B, T)`` estimates of the critic; None without one.
        greedy_scores: ``(P,)`` rewards of the greedy responses, where the algorithm asks for them.
        kl_coefficient: the weight of the KL penalty in this step.
        credits: what each step of a response added to its score, where the algorithm asks for it.
    """

    groups: Sequence[Group]
    mask: torch.Tensor
    scores: torch.Tensor
    logprobs: torch.Tensor
    reference: torch.Tensor | None
    values: torch.Tensor | None
    greedy_scores: torch.Tensor | None
    kl_coefficient: float
    credits: Credits | None = None

    def row_scores(self) -> torch.Tensor:
        """``(B,)``."""
        return self.scores.reshape(-1)

    def response_kl(self) -> torch.Tensor | None:
        """``(B,)`` KL of each response to the reference, estimated by the log ratio, in nats; None without one."""
        if self.reference is None:
            return None
        return ((self.logprobs - self.reference) * self.mask).sum(dim=1)


class Algorithm(Protocol):
    """How to learn from experience: what to aim at, and the loss. Everything else is the loop's.

    Attributes:
        name: what a recipe calls it.
        samples: responses a prompt.
        epochs: how often each experience is gone through.
        minibatches: updates in each epoch.
        uses_reference, uses_critic, uses_greedy: what an experience must come with.
        uses_kl_control: whether the penalty is that of `KLControl`, and not a weight of its own.
        uses_steps: whether it takes a reward that says what each step of a response is worth.
        compares_within_groups: whether responses to a prompt that are all worth the same teach it nothing.
    """

    @property
    def name(self) -> str: ...
    @property
    def samples(self) -> int: ...
    @property
    def epochs(self) -> int: ...
    @property
    def minibatches(self) -> int: ...
    @property
    def uses_reference(self) -> bool: ...
    @property
    def uses_critic(self) -> bool: ...
    @property
    def uses_greedy(self) -> bool: ...
    @property
    def uses_kl_control(self) -> bool: ...
    @property
    def uses_steps(self) -> bool: ...
    @property
    def compares_within_groups(self) -> bool: ...

    def targets(self, experience: Experience) -> Targets:
        """What the loss needs beside what the policy says now; computed once a step, over the whole experience."""
        ...

    def loss(
        self, now: TokenScores, values: torch.Tensor | None, targets: Targets, count: float
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss of some rows, and figures to write down.

        Args:
            now: what the policy says of the rows' tokens at present.
            values: the critic's estimates at present.
            targets: the rows' part of what `targets` gave.
            count: tokens of the whole minibatch these rows are part of; loss and figures are sums over the rows'
                tokens divided by it, so that the parts add up.
        """
        ...
