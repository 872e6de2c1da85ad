"""A reward model learned from preferences: a linear head on a trunk's state after the response's last token.

Bradley–Terry (1952) as in Ouyang et al. (2022, eq. 1). The trunk is the language model itself with an adapter of its
own, which is off for everybody else; so policy, reference and reward share one model in memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field

from core.errors import InputError
from core.models.adapter_config import Targets, lora_config
from core.models.adapter_set import AdapterSet
from core.training.checkpoint import State
from core.training.config import Config
from core.training.faults import Diverged
from core.training.optimiser import Optimiser, OptimiserConfig
from core.training.preference.learner import PreferencePair
from core.training.reward.reward import Sample, checked
from core.training.scorer import Scorer
from core.training.seeds import drawn_without_return, seeded
from core.training.streams import Group
from core.training.team import Alone, Team, share, summed

if TYPE_CHECKING:
    import torch

_PIECE_ROWS = 8


class LearnedReward(Protocol):
    """A `Reward` with parameters.

    Attributes:
        adapters, adapter: the trunk, and which adapter is on while rewards are computed; None for the bare trunk.
        open_level: whether pairs leave open how high its rewards are, so that they must be held around 0.
    """

    @property
    def name(self) -> str: ...
    @property
    def adapters(self) -> AdapterSet: ...
    @property
    def adapter(self) -> str | None: ...
    @property
    def open_level(self) -> bool: ...

    def __call__(self, samples: Sequence[Sample]) -> list[float]: ...

    def values(self, groups: Sequence[Group]) -> torch.Tensor:
        """``(B,)`` float32 of responses as `ended` gives them, differentiable. Call with the adapter on."""
        ...

    def ended(self, response: tuple[int, ...]) -> tuple[int, ...]:
        """The response with its end token, once."""
        ...

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """What learns, by name."""
        ...


def rewards_of(model: LearnedReward, samples: Sequence[Sample]) -> list[float]:
    """What `model` gives, without gradient. Raises `RewardFailed`."""
    import torch

    values: list[float] = []
    with torch.no_grad(), model.adapters.using(model.adapter):
        for start in range(0, len(samples), _PIECE_ROWS):
            piece = samples[start : start + _PIECE_ROWS]
            groups = [Group(sample.prompt_ids, (model.ended(sample.response_ids),)) for sample in piece]
            values += model.values(groups).tolist()
    return checked(model.name, values, samples)


def ended(response: tuple[int, ...], end_id: int) -> tuple[int, ...]:
    """The response with the token `end_id` at its end, once."""
    return response if response and response[-1] == end_id else (*response, end_id)


@dataclass(frozen=True, slots=True, eq=False)
class RewardModel:
    """Made by `new_reward_model`; a `LearnedReward`.

    Attributes:
        adapters, adapter: the trunk, and which adapter is on while rewards are computed; None for the bare trunk, whose
            features then are frozen.
        head: linear, float32, to one number.
        end_id: the token put after a response, whose state before it is read.
    """

    adapters: AdapterSet
    adapter: str | None
    scorer: Scorer
    head: Any
    end_id: int
    name: str = "reward model"
    open_level: bool = True

    def __call__(self, samples: Sequence[Sample]) -> list[float]:
        return rewards_of(self, samples)

    def values(self, groups: Sequence[Group]) -> torch.Tensor:
        """See `LearnedReward.values`."""
        import torch

        states = self.scorer.states(groups)  # (B, T, H)
        ends = [len(response) - 1 for group in groups for response in group.responses]
        last = states[torch.arange(len(ends), device=states.device), torch.tensor(ends, device=states.device)]
        found: torch.Tensor = self.head(last.float()).squeeze(-1)
        return found

    def ended(self, response: tuple[int, ...]) -> tuple[int, ...]:
        """See `LearnedReward.ended`."""
        return ended(response, self.end_id)

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """What learns: the head, and the adapter where there is one."""
        named = {f"head.{name}": value for name, value in self.head.named_parameters()}
        if self.adapter is not None:
            weights = self.adapters.parameters(self.adapter)
            named |= {f"{self.adapter}.{number}": weight for number, weight in enumerate(weights)}
        return named


def new_reward_model(
    adapters: AdapterSet,
    scorer: Scorer,
    *,
    end_id: int,
    seed: int,
    adapter: str | None = "reward",
    rank: int = 8,
    targets: Targets = "attention",
) -> RewardModel:
    """A reward model that has not learned anything: it gives 0 to all. `adapter` None leaves the trunk as it is."""
    import torch

    model = adapters.loaded.model
    if adapter is not None:
        with seeded(seed, adapter):
            adapters.create(adapter, lora_config(model, rank=rank, targets=targets))
    width = model.config.get_text_config(decoder=True).hidden_size
    head = torch.nn.Linear(width, 1).to(adapters.loaded.placement.device)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    return RewardModel(adapters, adapter, scorer, head, end_id)


class RewardModelConfig(Config):
    """How it learns. `margin`: the preferred response must win by this much; `centring` holds rewards around 0
    (Eisenstein et al. 2023), where differences alone leave their level open."""

    pairs: int = Field(16, ge=1)
    piece_pairs: int = Field(4, ge=1)
    margin: float = Field(0.0, ge=0)
    centring: float = Field(0.01, ge=0)


def bradley_terry_loss(
    chosen: torch.Tensor, rejected: torch.Tensor, *, margin: float = 0.0, centring: float = 0.0
) -> torch.Tensor:
    """``(B,)``: minus the log-probability that the chosen one wins, given both rewards (Touvron et al. 2023, eq. 2 with
    the margin)."""
    from torch.nn.functional import logsigmoid

    return -logsigmoid(chosen - rejected - margin) + centring * (chosen + rejected) ** 2


class RewardModelLearner:
    """Learns a reward from pairs, which may change between steps; a `core.training.loop.Learner`."""

    def __init__(
        self,
        model: LearnedReward,
        pairs: Sequence[PreferencePair],
        config: RewardModelConfig,
        *,
        optimiser: OptimiserConfig,
        steps: int,
        seed: int,
        team: Team | None = None,
    ) -> None:
        self._model, self._pairs, self._config = model, pairs, config
        self._steps, self._seed = steps, seed
        self._team: Team = team or Alone()
        self._optimiser = Optimiser(model.parameters(), optimiser, team=self._team)

    def step(self, index: int) -> Mapping[str, float]:
        """See `Learner.step`. Raises `Diverged`."""
        if not self._pairs:
            raise InputError("There are no pairs to learn from.", hint="Check the recipe's data.")
        size = self._config.pairs
        numbers = drawn_without_return(self._seed, len(self._pairs), index * size, size)
        centring = self._config.centring if self._model.open_level else 0.0
        totals = {"loss": 0.0, "preference/accuracy": 0.0, "reward/difference": 0.0}
        with self._model.adapters.using(self._model.adapter):
            mine = share(numbers, self._team)
            for start in range(0, len(mine), self._config.piece_pairs):
                piece = [self._pairs[number] for number in mine[start : start + self._config.piece_pairs]]
                chosen, rejected = self._both(piece)
                loss = bradley_terry_loss(chosen, rejected, margin=self._config.margin, centring=centring).sum()
                (loss / size).backward()
                difference = (chosen - rejected).detach()
                totals["loss"] += float(loss.detach()) / size
                totals["preference/accuracy"] += float((difference > 0).sum()) / size
                totals["reward/difference"] += float(difference.sum()) / size
        totals = summed(self._team, totals)
        rate = self._optimiser.config.rate(index, self._steps)
        norm = self._optimiser.step(rate) if math.isfinite(totals["loss"]) else float("nan")
        if not math.isfinite(norm):
            self._optimiser.forget()
            raise Diverged("loss or gradient", index, ", ".join(self._pairs[number].id for number in numbers))
        return totals | {"learning_rate": rate, "gradient_norm": norm}

    def accuracy(self, pairs: Sequence[PreferencePair]) -> float:
        """The share of held-out pairs in which the preferred response gets more."""
        import torch

        right = 0
        with torch.no_grad(), self._model.adapters.using(self._model.adapter):
            for start in range(0, len(pairs), self._config.piece_pairs):
                chosen, rejected = self._both(pairs[start : start + self._config.piece_pairs])
                right += int((chosen > rejected).sum())
        return right / len(pairs)

    def state(self) -> State:
        """Masters and moments."""
        return State(self._optimiser.state())

    def load(self, state: State) -> None:
        """See `Learner.load`."""
        self._optimiser.load(state.tensors)

    def samples(self) -> Sequence[Mapping[str, Any]]:
        """None: what is learned from stands in the data."""
        return []

    def _both(self, pairs: Sequence[PreferencePair]) -> tuple[torch.Tensor, torch.Tensor]:
        end = self._model.ended
        groups = [Group(pair.prompt, (end(pair.chosen), end(pair.rejected))) for pair in pairs]
        values = self._model.values(groups).reshape(-1, 2)
        return values[:, 0], values[:, 1]
