"""A reward learned from preferences that is a likelihood: what a second policy on the same trunk thinks of a response.

f_ψ(x, y) = β/|y| · Σ_t log π_ψ(y_t | x, y_<t), the reward of Meng et al. (2024, section 2.2). To tell a right response
from a wrong one it compares each token with what the trunk predicts, which the trunk can do before it has seen a pair;
a head on the last state has to learn to compare. It is never above 0, and low wherever π_ψ has not been: a policy that
climbs it finds nothing better than what the pairs taught. The log ratio to a reference has no such bound, and policies
left the language for tokens that the reference thinks impossible (docs/LOG.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.models.adapter_config import Targets, lora_config
from core.models.adapter_set import AdapterSet
from core.models.adapters import Adapter
from core.training.reward.model import ended, rewards_of
from core.training.reward.reward import Sample
from core.training.scorer import Scorer
from core.training.seeds import seeded
from core.training.streams import Group

if TYPE_CHECKING:
    import torch

PREFERENCE_ADAPTER = "preference"


@dataclass(frozen=True, slots=True, eq=False)
class LikelihoodReward:
    """Made by `new_likelihood_reward`; a `LearnedReward`.

    Attributes:
        adapters, adapter: the trunk, and what of it is π_ψ.
        end_id: the token that ends a response; one that was cut is taken to end where it was.
        beta: rewards a nat a token.
    """

    adapters: AdapterSet
    adapter: str
    scorer: Scorer
    end_id: int
    beta: float = 4.0
    name: str = "learned likelihood"
    open_level: bool = False

    def __call__(self, samples: Sequence[Sample]) -> list[float]:
        return rewards_of(self, samples)

    def values(self, groups: Sequence[Group]) -> torch.Tensor:
        """See `LearnedReward.values`."""
        scores = self.scorer(groups)
        return self.beta * scores.logprobs.sum(dim=1) / scores.mask.sum(dim=1)

    def ended(self, response: tuple[int, ...]) -> tuple[int, ...]:
        """See `LearnedReward.ended`."""
        return ended(response, self.end_id)

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """The adapter."""
        weights = self.adapters.parameters(self.adapter)
        return {f"{self.adapter}.{number}": weight for number, weight in enumerate(weights)}


def new_likelihood_reward(
    adapters: AdapterSet,
    scorer: Scorer,
    *,
    end_id: int,
    seed: int,
    rank: int = 8,
    targets: Targets = "attention",
    start_from: Adapter | str | Path | None = None,
) -> LikelihoodReward:
    """One that has not learned anything: the likelihood under the trunk, or under the policy `start_from`, an adapter
    whose rank and targets it keeps."""
    if start_from is not None:
        adapters.attach(start_from, PREFERENCE_ADAPTER, trainable=True)
    else:
        with seeded(seed, PREFERENCE_ADAPTER):
            adapters.create(PREFERENCE_ADAPTER, lora_config(adapters.loaded.model, rank=rank, targets=targets))
    return LikelihoodReward(adapters, PREFERENCE_ADAPTER, scorer, end_id)
