"""Preference optimisation as a learner. A pair's prompt is computed once for both responses; the reference is the
policy's own trunk with the adapter off, and its log-probabilities are computed once a pair."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from core.errors import InputError
from core.training.checkpoint import State
from core.training.config import Config
from core.training.faults import Diverged
from core.training.optimiser import Optimiser, OptimiserConfig
from core.training.policy import Policy
from core.training.preference.losses import dpo_loss, ipo_loss, kto_loss, kto_reference_point
from core.training.seeds import drawn_without_return
from core.training.streams import Group
from core.training.team import Alone, Team, share, summed

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """Two responses to a prompt, as token ids, the first of which was preferred."""

    id: str
    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]


class PreferenceConfig(Config):
    """Which objective and how much at a time. KTO takes each response of a pair as good or bad by itself; its reference
    point is estimated over the `piece_pairs` that go through the model together."""

    objective: Literal["dpo", "ipo", "kto"] = "dpo"
    beta: float = Field(0.1, gt=0)
    doubt: float = Field(0.0, ge=0, lt=0.5)
    pairs: int = Field(8, ge=2)
    piece_pairs: int = Field(4, ge=1)


class PreferenceLearner:
    """See the module; a `core.training.loop.Learner`. Raises `InputError` for a pair without a prompt or response."""

    def __init__(
        self,
        policy: Policy,
        pairs: Sequence[PreferencePair],
        config: PreferenceConfig,
        *,
        optimiser: OptimiserConfig,
        steps: int,
        seed: int,
        team: Team | None = None,
    ) -> None:
        if not pairs:
            raise InputError("There are no pairs to learn from.", hint="Check the recipe's data.")
        for pair in pairs:
            if not (pair.prompt and pair.chosen and pair.rejected):
                raise InputError(f"Pair '{pair.id}' has an empty part.", hint="Give a prompt and two responses.")
        self._policy, self._pairs, self._config = policy, pairs, config
        self._steps, self._seed = steps, seed
        self._team: Team = team or Alone()
        self._optimiser = Optimiser(policy.parameters, optimiser, team=self._team)
        self._reference: dict[int, list[float]] = {}

    def step(self, index: int) -> Mapping[str, float]:
        """See `Learner.step`. Raises `Diverged`."""
        size = self._config.pairs
        numbers = drawn_without_return(self._seed, len(self._pairs), index * size, size)
        partner = dict(zip(range(size), [*numbers[1:], numbers[0]], strict=True))
        totals: dict[str, float] = {}
        with self._policy.in_force():
            for piece in self._pieces():
                loss, figures = self._loss([numbers[place] for place in piece], [partner[place] for place in piece])
                (loss.sum() / size).backward()
                for name, value in {"loss": loss.detach(), **figures}.items():
                    totals[name] = totals.get(name, 0.0) + float(value.sum()) / size
        totals = summed(self._team, totals)
        rate = self._optimiser.config.rate(index, self._steps)
        if not math.isfinite(totals["loss"]):
            self._optimiser.forget()
            raise Diverged("loss", index, ", ".join(self._pairs[number].id for number in numbers))
        norm = self._optimiser.step(rate)
        if not math.isfinite(norm):
            raise Diverged("gradient", index, ", ".join(self._pairs[number].id for number in numbers))
        return totals | {"learning_rate": rate, "gradient_norm": norm}

    def accuracy(self, pairs: Sequence[PreferencePair]) -> float:
        """The share of held-out pairs whose preferred response gained more over the reference than the other."""
        import torch

        right = 0
        with torch.no_grad(), self._policy.in_force():
            for start in range(0, len(pairs), self._config.piece_pairs):
                piece = pairs[start : start + self._config.piece_pairs]
                groups = [Group(pair.prompt, (pair.chosen, pair.rejected)) for pair in piece]
                ratio = self._totals(groups) - _row_sums(self._policy.reference(groups, temperature=1.0), 2)
                right += int((ratio[:, 0] > ratio[:, 1]).sum())
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

    def _pieces(self) -> list[Sequence[int]]:
        """Places in the batch of this process. KTO's pieces stay whole, since a reference point belongs to each."""
        size, most = self._config.pairs, self._config.piece_pairs
        if self._config.objective == "kto":
            return share([range(size)[start : start + most] for start in range(0, size, most)], self._team)
        mine = share(range(size), self._team)
        return [mine[start : start + most] for start in range(0, len(mine), most)]

    def _loss(self, numbers: Sequence[int], partners: Sequence[int]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss and figures of some pairs, ``(n,)`` each."""
        import torch

        config = self._config
        groups = [self._group(number, partner) for number, partner in zip(numbers, partners, strict=True)]
        ratio = self._totals(groups) - self._reference_totals(groups, numbers, partners)  # (n, 2), for KTO (n, 3)
        chosen, rejected = ratio[:, 0], ratio[:, 1]
        if config.objective == "dpo":
            loss = dpo_loss(chosen, rejected, beta=config.beta, doubt=config.doubt)
        elif config.objective == "ipo":
            loss = ipo_loss(chosen, rejected, beta=config.beta)
        else:
            point = kto_reference_point(ratio[:, 2])
            good = torch.tensor([True, False], device=ratio.device).expand(len(ratio), 2)
            loss = kto_loss(ratio[:, :2], good, point, beta=config.beta).mean(dim=1)
        detached = ratio.detach()
        figures = {
            "preference/accuracy": (detached[:, 0] > detached[:, 1]).float(),
            "preference/margin": config.beta * (detached[:, 0] - detached[:, 1]),
            "preference/chosen_ratio": detached[:, 0],
        }
        return loss, figures

    def _group(self, number: int, partner: int) -> Group:
        pair = self._pairs[number]
        others = (self._pairs[partner].chosen,) if self._config.objective == "kto" else ()
        return Group(pair.prompt, (pair.chosen, pair.rejected, *others))

    def _totals(self, groups: Sequence[Group]) -> torch.Tensor:
        scores = self._policy.scorer(groups)
        return _row_sums(scores.logprobs, len(groups[0].responses))

    def _reference_totals(
        self, groups: Sequence[Group], numbers: Sequence[int], partners: Sequence[int]
    ) -> torch.Tensor:
        """Each pair's reference totals are computed once; those of other prompts' responses each time."""
        import torch

        missing = [place for place, number in enumerate(numbers) if number not in self._reference]
        paired = [Group(groups[place].prompt, groups[place].responses[:2]) for place in missing]
        if paired:
            found = _row_sums(self._policy.reference(paired, temperature=1.0), 2).tolist()
            self._reference |= {numbers[place]: row for place, row in zip(missing, found, strict=True)}
        known = torch.tensor([self._reference[number] for number in numbers], device=self._policy.device)
        if self._config.objective != "kto":
            return known
        others = [Group(group.prompt, group.responses[2:]) for group in groups]
        return torch.cat([known, _row_sums(self._policy.reference(others, temperature=1.0), 1)], dim=1)


def _row_sums(logprobs: torch.Tensor, responses: int) -> torch.Tensor:
    """``(P, responses)`` sums over tokens of ``(P * responses, T)``."""
    return logprobs.sum(dim=1).reshape(-1, responses)
