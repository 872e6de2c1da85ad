"""REINFORCE on whole responses (Williams 1992): the expected score of a sampled response, raised by its score-function
gradient. With a sequence metric as score this is training for the metric itself, sentence by sentence, in place of
token likelihoods (Ranzato et al. 2016); with the baseline "leave_one_out" it is RLOO (Ahmadian et al. 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from core.training.advantages import leave_one_out, self_critical
from core.training.config import Config
from core.training.experience import Experience, Targets
from core.training.losses import clipped_policy_loss, score_function_loss
from core.training.masked import masked_mean

if TYPE_CHECKING:
    import torch

    from core.training.scorer import TokenScores


class Reinforce(Config):
    """See the module.

    Attributes:
        baseline: what a score is compared with: the other responses' mean to the same prompt, the greedy response's
            score (Rennie et al. 2017), the mean of all scores of the step, or nothing.
        clip: the bound of the ratio when an experience is used more than once.
    """

    name: Literal["reinforce"] = "reinforce"
    baseline: Literal["leave_one_out", "self_critical", "mean", "none"] = "leave_one_out"
    samples: int = Field(4, ge=1)
    epochs: int = Field(1, ge=1)
    minibatches: int = Field(1, ge=1)
    clip: float = Field(0.2, gt=0)
    entropy: float = Field(0.0, ge=0)
    uses_reference: bool = True
    uses_critic: ClassVar[bool] = False
    uses_kl_control: ClassVar[bool] = True
    uses_steps: ClassVar[bool] = False

    @model_validator(mode="after")
    def _enough_samples(self) -> Self:
        if self.baseline == "leave_one_out" and self.samples < 2:
            raise ValueError("baseline 'leave_one_out' needs samples of at least 2")
        return self

    @property
    def uses_greedy(self) -> bool:
        return self.baseline == "self_critical"

    @property
    def compares_within_groups(self) -> bool:
        return self.baseline == "leave_one_out"

    def targets(self, experience: Experience) -> Targets:
        """One advantage a response; the KL penalty is part of its score (Ahmadian et al. 2024)."""
        e = experience
        scores = e.scores
        kl = e.response_kl()
        if kl is not None:
            scores = scores - e.kl_coefficient * kl.reshape(scores.shape)
        targets = {"advantages": self._advantages(scores, e.greedy_scores).reshape(-1, 1)}
        if self.epochs * self.minibatches > 1:
            targets["old_logprobs"] = e.logprobs
        return targets

    def loss(
        self, now: TokenScores, values: torch.Tensor | None, targets: Targets, count: float
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The score-function loss, or the clipped one where experience is used again; entropy."""
        entropy = masked_mean(now.entropies, now.mask, count)
        figures = {"policy/entropy": entropy}
        if "old_logprobs" in targets:
            policy, cut = clipped_policy_loss(
                now.logprobs, targets["old_logprobs"], targets["advantages"], now.mask, clip=self.clip, count=count
            )
            figures["policy/clipped"] = cut
        else:
            policy = score_function_loss(now.logprobs, targets["advantages"], now.mask, count=count)
        figures["loss/policy"] = policy
        return policy - self.entropy * entropy, figures

    def _advantages(self, scores: torch.Tensor, greedy_scores: torch.Tensor | None) -> torch.Tensor:
        if self.baseline == "leave_one_out":
            return leave_one_out(scores)
        if self.baseline == "self_critical":
            assert greedy_scores is not None
            return self_critical(scores, greedy_scores)
        return scores - scores.mean() if self.baseline == "mean" else scores
