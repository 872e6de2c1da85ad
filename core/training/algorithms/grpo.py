"""Group-relative policy optimisation (Shao et al. 2024, eq. 3): a group's own mean is the baseline, and the KL to the
reference is a term of the loss. With `trace` the score is shared out among the steps of a response that won it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from core.training.advantages import group_relative, step_relative
from core.training.config import Config
from core.training.experience import Experience, Targets
from core.training.losses import clipped_policy_loss, kl_estimate
from core.training.masked import masked_mean

if TYPE_CHECKING:
    import torch

    from core.training.scorer import TokenScores


class GRPO(Config):
    """See the module.

    Attributes:
        kl: weight of the KL term; 0 leaves the reference out altogether.
        scale: whether advantages are divided by the group's deviation.
        clip_high: the bound above, where it is not that below (Yu et al. 2025).
        per_response: every response counts the same, as in the paper; False lets every token count the same (Yu et al.
            2025, section 3.3), which does not favour short right and long wrong responses.
        trace: None gives all tokens of a response the advantage of the whole. A number gives each the advantage of
            what was won from its step on, a later step counting `trace` as much each; the reward must be stepwise.
    """

    name: Literal["grpo"] = "grpo"
    samples: int = Field(8, ge=2)
    epochs: int = Field(1, ge=1)
    minibatches: int = Field(1, ge=1)
    clip: float = Field(0.2, gt=0)
    clip_high: float | None = Field(None, gt=0)
    kl: float = Field(0.04, ge=0)
    scale: bool = True
    per_response: bool = False
    trace: float | None = Field(None, ge=0, le=1)
    entropy: float = Field(0.0, ge=0)
    uses_critic: ClassVar[bool] = False
    uses_greedy: ClassVar[bool] = False
    uses_kl_control: ClassVar[bool] = False
    compares_within_groups: ClassVar[bool] = True

    @property
    def uses_reference(self) -> bool:
        return self.kl > 0

    @property
    def uses_steps(self) -> bool:
        return self.trace is not None

    def targets(self, experience: Experience) -> Targets:
        """Advantages, old and reference log-probabilities, and the weight of each response's tokens."""
        import torch

        e = experience
        targets = {"advantages": self._advantages(e)}
        if self.epochs * self.minibatches > 1:
            targets["old_logprobs"] = e.logprobs
        if e.reference is not None:
            targets["reference"] = e.reference
        lengths = e.mask.sum(dim=1, keepdim=True)
        mean = lengths.float().mean()  # tokens weigh so that the whole still divides by the count of tokens
        targets["weights"] = mean / lengths.clamp(min=1) if self.per_response else torch.ones_like(lengths).float()
        return targets

    def _advantages(self, experience: Experience) -> torch.Tensor:
        """``(B, 1)``, or ``(B, T)`` by steps."""
        if self.trace is None:
            return group_relative(experience.scores, scale=self.scale).reshape(-1, 1)
        credits = experience.credits
        assert credits is not None
        return credits.at_tokens(step_relative(credits.table, credits.counts, trace=self.trace, scale=self.scale))

    def loss(
        self, now: TokenScores, values: torch.Tensor | None, targets: Targets, count: float
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Clipped policy loss, KL to the reference, entropy."""
        weighted = now.mask * targets["weights"]
        old = targets.get("old_logprobs", now.logprobs.detach())
        policy, cut = clipped_policy_loss(
            now.logprobs, old, targets["advantages"], weighted, clip=self.clip, clip_high=self.clip_high, count=count
        )
        entropy = masked_mean(now.entropies, now.mask, count)
        loss = policy - self.entropy * entropy
        figures = {"loss/policy": policy, "policy/entropy": entropy, "policy/clipped": cut}
        if "reference" in targets:
            kl = masked_mean(kl_estimate(now.logprobs, targets["reference"]), weighted, count)
            loss = loss + self.kl * kl
            figures["loss/kl"] = kl
        return loss, figures
