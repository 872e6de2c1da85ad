"""Proximal policy optimisation with a value head (Schulman et al. 2017), as used on language models by Ziegler et al.
(2019): the KL to the reference is part of the reward, advantages come from GAE and are whitened."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from core.training.advantages import generalised_advantages, token_rewards
from core.training.config import Config
from core.training.experience import Experience, Targets
from core.training.losses import clipped_policy_loss, clipped_value_loss
from core.training.masked import masked_mean, whiten

if TYPE_CHECKING:
    import torch

    from core.training.scorer import TokenScores


class PPO(Config):
    """See the module. `entropy` above 0 rewards spread-out distributions; `value_weight` is the value loss's."""

    name: Literal["ppo"] = "ppo"
    samples: int = Field(1, ge=1)
    epochs: int = Field(4, ge=1)
    minibatches: int = Field(1, ge=1)
    clip: float = Field(0.2, gt=0)
    value_clip: float | None = Field(0.2, gt=0)
    value_weight: float = Field(0.1, ge=0)
    entropy: float = Field(0.0, ge=0)
    discount: float = Field(1.0, gt=0, le=1)
    trace: float = Field(0.95, ge=0, le=1)
    whiten_advantages: bool = True
    uses_reference: ClassVar[bool] = True
    uses_critic: ClassVar[bool] = True
    uses_greedy: ClassVar[bool] = False
    uses_kl_control: ClassVar[bool] = True
    uses_steps: ClassVar[bool] = False
    compares_within_groups: ClassVar[bool] = False

    def targets(self, experience: Experience) -> Targets:
        """Advantages, returns, and what the policy and critic said when the responses were drawn."""
        e = experience
        assert e.reference is not None and e.values is not None
        rewards = token_rewards(e.row_scores(), e.logprobs, e.reference, e.mask, kl_coefficient=e.kl_coefficient)
        advantages, returns = generalised_advantages(
            rewards, e.values, e.mask, discount=self.discount, trace=self.trace
        )
        if self.whiten_advantages:
            advantages = whiten(advantages, e.mask)
        return {"advantages": advantages, "returns": returns, "old_logprobs": e.logprobs, "old_values": e.values}

    def loss(
        self, now: TokenScores, values: torch.Tensor | None, targets: Targets, count: float
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Clipped policy loss, clipped value loss, entropy."""
        assert values is not None
        policy, policy_cut = clipped_policy_loss(
            now.logprobs, targets["old_logprobs"], targets["advantages"], now.mask, clip=self.clip, count=count
        )
        value, value_cut = clipped_value_loss(
            values, targets["old_values"], targets["returns"], now.mask, clip=self.value_clip, count=count
        )
        entropy = masked_mean(now.entropies, now.mask, count)
        loss = policy + self.value_weight * value - self.entropy * entropy
        figures = {
            "loss/policy": policy,
            "loss/value": value,
            "policy/entropy": entropy,
            "policy/clipped": policy_cut,
            "value/clipped": value_cut,
        }
        return loss, figures
