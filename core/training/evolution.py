"""Evolution strategies on the weights that learn: no gradient, no value, only the mean reward of perturbed policies.

Mirrored Gaussian perturbations with rank-shaped rewards (Salimans et al. 2017, section 2.1 and algorithm 2); whole
responses are rewarded, so any reward will do. Noise is drawn again from its seed when it is needed, so a population
costs no memory. Made for adapters: a few hundred thousand weights, not all of a model's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from core.errors import InputError
from core.inference.generator import Sampling
from core.inference.rollout import TokenSampler
from core.seeds import derived_seed
from core.training.checkpoint import State
from core.training.config import Config
from core.training.experience import PromptItem, as_sample
from core.training.policy import Policy
from core.training.reward import Reward
from core.training.seeds import drawn_without_return
from core.training.team import Alone, Team, gathered, share

if TYPE_CHECKING:
    import torch


class EvolutionConfig(Config):
    """How a generation is made up.

    Attributes:
        pairs: mirrored pairs of perturbed policies.
        deviation: of the perturbation of each weight.
        learning_rate: how far a step goes along the estimated gradient, in units of the deviation; at 3, eight pairs
            move a weight by about a quarter of its perturbation. Three quarters lost reward (docs/training.md).
        prompts: that each perturbed policy answers, the same for all in a generation.
        temperature: 0 answers greedily, so that policies are compared and not their luck.
    """

    pairs: int = Field(8, ge=1)
    deviation: float = Field(0.01, gt=0)
    learning_rate: float = Field(3.0, gt=0)
    prompts: int = Field(8, ge=1)
    max_tokens: int = Field(64, ge=1)
    temperature: float = Field(0.0, ge=0, le=10)


class EvolutionLearner:
    """See the module; a `core.training.loop.Learner`."""

    def __init__(
        self,
        policy: Policy,
        reward: Reward,
        items: Sequence[PromptItem],
        config: EvolutionConfig,
        *,
        seed: int,
        stop: Sequence[str] = (),
        team: Team | None = None,
    ) -> None:
        if not items:
            raise InputError("There are no prompts to practise on.", hint="Check the data of the recipe.")
        self._policy, self._reward, self._items, self._config, self._seed = policy, reward, items, config, seed
        self._stop = tuple(stop)
        self._team: Team = team or Alone()
        self._sampler = TokenSampler(policy.loaded)
        self._masters = {name: value.detach().float().clone() for name, value in policy.parameters.items()}
        self._shown: list[dict[str, Any]] = []

    def step(self, index: int) -> Mapping[str, float]:
        """See `Learner.step`."""
        wanted = self._config.prompts
        numbers = drawn_without_return(self._seed, len(self._items), index * wanted, wanted)
        items = [self._items[number] for number in numbers]
        members = [(pair, sign) for pair in range(self._config.pairs) for sign in (1.0, -1.0)]
        mine = share(members, self._team)
        tried = gathered(self._team, lambda: [(member, self._fitness(index, *member, items)) for member in mine])
        fitness = dict(tried)
        weights = shaped([fitness[member] for member in members])
        for pair in range(self._config.pairs):
            up, down = weights[2 * pair], weights[2 * pair + 1]
            self._move(index, pair, self._config.deviation * self._config.learning_rate * (up - down) / len(members))
        self._write(self._masters)
        values = [fitness[member] for member in members]
        return {"reward/mean": sum(values) / len(values), "reward/best": max(values), "reward/worst": min(values)}

    def state(self) -> State:
        """The weights."""
        return State({f"master/{name}": value for name, value in self._masters.items()})

    def load(self, state: State) -> None:
        """See `Learner.load`."""
        self._masters = {name: state.tensors[f"master/{name}"].clone() for name in self._masters}
        self._write(self._masters)

    def samples(self) -> Sequence[Mapping[str, Any]]:
        """Responses of the last policy that was tried."""
        return self._shown

    def _fitness(self, index: int, pair: int, sign: float, items: Sequence[PromptItem]) -> float:
        """Mean reward of one perturbed policy."""
        sampling = Sampling(
            max_tokens=self._config.max_tokens, temperature=self._config.temperature, seed=self._seed, stop=self._stop
        )
        moved = {
            name: self._masters[name] + sign * self._config.deviation * noise
            for name, noise in self._noise(index, pair)
        }
        self._write(moved)
        with self._policy.in_force():
            drawn = self._sampler.sample([item.token_ids for item in items], sampling, 1, step=index)
        tokenizer = self._policy.loaded.tokenizer
        samples = [as_sample(item, row[0], tokenizer, self._stop) for item, row in zip(items, drawn, strict=True)]
        values = self._reward(samples)
        self._shown = [
            {"prompt_id": sample.prompt_id, "response": sample.text, "score": value}
            for sample, value in zip(samples, values, strict=True)
        ]
        return sum(values) / len(values)

    def _noise(self, index: int, pair: int) -> Iterator[tuple[str, torch.Tensor]]:
        """Standard normal noise of each weight, the same whenever it is asked for."""
        import torch

        source = torch.Generator().manual_seed(derived_seed(self._seed, "evolution", index, pair))
        for name, master in self._masters.items():
            yield name, torch.randn(master.shape, generator=source).to(master.device)

    def _move(self, index: int, pair: int, factor: float) -> None:
        for name, noise in self._noise(index, pair):
            self._masters[name].add_(noise, alpha=factor)

    def _write(self, weights: Mapping[str, torch.Tensor]) -> None:
        import torch

        with torch.no_grad():
            for name, parameter in self._policy.parameters.items():
                parameter.copy_(weights[name])


def shaped(fitness: Sequence[float]) -> list[float]:
    """Ranks from -1/2 to 1/2 in place of rewards, so that their scale and outliers do not matter; equals share a rank
    (Wierstra et al. 2014, section 3.1; the centred form of Salimans et al. 2017)."""
    count = len(fitness)
    if count < 2:
        return [0.0] * count
    below = [sum(other < value for other in fitness) for value in fitness]
    equal = [sum(other == value for other in fitness) - 1 for value in fitness]
    return [(low + same / 2) / (count - 1) - 0.5 for low, same in zip(below, equal, strict=True)]
