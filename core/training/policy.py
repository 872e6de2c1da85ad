"""A policy and what belongs to it on one trunk: its reference, its value head, what of it learns.

With an adapter the policy is the base model with the adapter on, and its own reference with the adapter off (or as it
was in the beginning): one model in memory. Without one all weights learn, and the reference is a frozen copy.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.errors import InputError
from core.models.adapter_config import Targets, lora_config
from core.models.adapter_set import AdapterSet
from core.models.adapters import Adapter
from core.models.loading import LoadedModel
from core.training.scorer import DenseScorer, PackedScorer, Scorer, TokenScores, choose_scorer
from core.training.seeds import seeded
from core.training.streams import Group

if TYPE_CHECKING:
    import torch

ADAPTER = "policy"
REFERENCE = "reference"
Critic = Literal["none", "shared", "separate"]


@dataclass(slots=True, eq=False)
class Policy:
    """Made by `adapted_policy` or `full_policy`.

    Attributes:
        loaded: the model that samples and learns.
        parameters: what learns, by name; those of the critic included.
        critic: where estimates of value come from: a head on the policy's states ("shared"), or a model of its own
            ("separate", started from the policy's weights).
    """

    loaded: LoadedModel
    parameters: dict[str, torch.nn.Parameter]
    scorer: PackedScorer | DenseScorer
    critic: Critic
    adapters: AdapterSet | None = None
    reference_scorer: Scorer | None = None
    value_head: Any = None
    critic_scorer: Scorer | None = None

    @property
    def device(self) -> str:
        return self.loaded.placement.device

    @contextlib.contextmanager
    def in_force(self) -> Iterator[None]:
        """The policy's adapter on, where it has one: for sampling and learning."""
        with self.adapters.using(ADAPTER) if self.adapters else contextlib.nullcontext():
            yield

    def reference(self, groups: Sequence[Group], *, temperature: float) -> torch.Tensor:
        """Log-probabilities ``(B, T)`` under the reference, without gradient."""
        import torch

        with torch.no_grad():
            if self.adapters:
                with self.adapters.using(REFERENCE if REFERENCE in self.adapters.names else None):
                    return self.scorer(groups, temperature=temperature).logprobs
            if self.reference_scorer is None:
                raise InputError("This policy was made without a reference.", hint="Make it with `reference=True`.")
            return self.reference_scorer(groups, temperature=temperature).logprobs

    def scores(self, groups: Sequence[Group], *, temperature: float) -> TokenScores:
        """What the policy says of responses, with states where the critic shares them. Call inside `in_force`."""
        return self.scorer(groups, temperature=temperature, states=self.critic == "shared")

    def values(self, groups: Sequence[Group], scores: TokenScores) -> torch.Tensor | None:
        """Estimates ``(B, T)`` of what is to come before each token, float32; None without a critic."""
        if self.critic == "none":
            return None
        states = scores.states
        if self.critic_scorer is not None:
            states = self.critic_scorer.states(groups)
        assert states is not None
        estimates: torch.Tensor = self.value_head(states.to(self.value_head.weight.dtype)).squeeze(-1)
        return estimates * scores.mask


def adapted_policy(
    loaded: LoadedModel,
    *,
    seed: int,
    rank: int = 16,
    targets: Targets = "attention",
    critic: Critic = "none",
    start_from: Adapter | str | Path | None = None,
) -> Policy:
    """A policy that learns a LoRA adapter on `loaded`, whose own weights stay as they are.

    Args:
        rank, targets: of a new adapter, see `core.models.adapter_config.lora_config`.
        start_from: an adapter to go on from, for instance from supervised training; it is the reference, too.

    Raises:
        InputError: a separate critic is asked for; or as `AdapterSet.create` and `attach` do.
    """
    if critic == "separate":
        raise InputError("A separate critic goes with full training.", hint="Use critic = 'shared' with an adapter.")
    adapters = AdapterSet(loaded)
    loaded.model.requires_grad_(False)
    if start_from is None:
        with seeded(seed, "adapter"):
            adapters.create(ADAPTER, lora_config(loaded.model, rank=rank, targets=targets))
    else:
        adapters.attach(start_from, REFERENCE)
        adapters.attach(start_from, ADAPTER, trainable=True)
    loaded.model.eval()
    scorer = _scorer(loaded, loaded.model)
    parameters = {name: value for name, value in loaded.model.named_parameters() if value.requires_grad}
    policy = Policy(loaded, parameters, scorer, critic, adapters=adapters)
    _add_value_head(policy)
    return policy


def full_policy(loaded: LoadedModel, *, critic: Critic = "none", reference: bool = True) -> Policy:
    """A policy all of whose weights learn; the reference is a frozen copy of them as they are now."""
    model = loaded.model.eval()
    frozen = copy.deepcopy(model).requires_grad_(False) if reference else None
    model.requires_grad_(True)
    policy = Policy(loaded, dict(model.named_parameters()), _scorer(loaded, model), critic)
    if frozen is not None:
        policy.reference_scorer = type(policy.scorer)(frozen, policy.device)
    if critic == "separate":
        trunk = copy.deepcopy(model.base_model)
        policy.critic_scorer = type(policy.scorer)(trunk, policy.device)
        policy.parameters |= {f"critic.{name}": value for name, value in trunk.named_parameters()}
    _add_value_head(policy)
    return policy


def _scorer(loaded: LoadedModel, model: Any) -> PackedScorer | DenseScorer:
    return choose_scorer(model, loaded.placement.device, loaded.placement.dtype, loaded.name)


def _add_value_head(policy: Policy) -> None:
    """A linear head that estimates 0 before it has learned anything; its weights are float32."""
    import torch

    if policy.critic == "none":
        return
    width = policy.loaded.model.config.get_text_config(decoder=True).hidden_size
    head = torch.nn.Linear(width, 1).to(policy.device)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    policy.value_head = head
    policy.parameters |= {f"value_head.{name}": value for name, value in head.named_parameters()}
