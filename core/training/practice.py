"""Practice: responses drawn to the prompts of a step, and what each is worth. Nothing is learned here.

Everything random depends on (seed, step, prompt, sample), so that neither the number of processes nor a resumed run
changes what is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from core.inference.generator import Sampling
from core.inference.rollout import SampledTokens
from core.training.config import Config
from core.training.endpoint_sampler import Sampler
from core.training.experience import PromptItem, as_sample
from core.training.kl_control import KLControl
from core.training.reward import Reward, Sample
from core.training.seeds import drawn_without_return
from core.training.streams import Group
from core.training.team import Team, gathered, share


class PracticeConfig(Config):
    """How a step is made up.

    Attributes:
        prompts: a step, over all processes.
        max_tokens: of a response.
        temperature: responses are drawn from softmax(logits / this), and learned from as such.
        piece_tokens: at most about so many tokens go through the model at a time while learning; less takes less
            memory and changes nothing else.
        kl: the KL coefficient and its target.
    """

    prompts: int = Field(8, ge=1)
    max_tokens: int = Field(64, ge=1)
    temperature: float = Field(1.0, gt=0, le=10)
    piece_tokens: int = Field(2048, ge=1)
    kl: KLControl = KLControl()


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """The prompts of a step and the responses that all processes together drew to each."""

    index: int
    items: Sequence[PromptItem]
    rows: Sequence[Sequence[SampledTokens]]

    @property
    def responses(self) -> list[SampledTokens]:
        """Those to one prompt together."""
        return [one for row in self.rows for one in row]

    def groups(self) -> list[Group]:
        """As tokens."""
        return [
            Group(item.token_ids, tuple(one.token_ids for one in row))
            for item, row in zip(self.items, self.rows, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Practice:
    """See the module.

    Attributes:
        items: the prompts; each is used once before any is used again.
        samples: responses a prompt.
        stop: strings that end a response.
    """

    config: PracticeConfig
    sampler: Sampler
    tokenizer: Any
    reward: Reward
    items: Sequence[PromptItem]
    samples: int
    seed: int
    stop: tuple[str, ...]
    team: Team

    def draw(self, index: int) -> Drawn:
        """The responses of step `index`."""
        wanted = self.config.prompts
        numbers = drawn_without_return(self.seed, len(self.items), index * wanted, wanted)
        items = [self.items[number] for number in numbers]
        sampling = Sampling(
            max_tokens=self.config.max_tokens, temperature=self.config.temperature, seed=self.seed, stop=self.stop
        )
        return Drawn(index, items, self._rows(items, sampling, self.samples, index))

    def rewarded(self, drawn: Drawn) -> list[list[tuple[Sample, float]]]:
        """Each response as its reward sees it, and the reward; a row a prompt."""
        return self._rewarded(drawn.items, drawn.rows)

    def greedy_rewards(self, drawn: Drawn) -> list[float]:
        """What the likeliest response to each prompt is worth."""
        sampling = Sampling(max_tokens=self.config.max_tokens, stop=self.stop)
        rows = self._rows(drawn.items, sampling, 1, drawn.index)
        return [row[0][1] for row in self._rewarded(drawn.items, rows)]

    def _rows(
        self, items: Sequence[PromptItem], sampling: Sampling, samples: int, index: int
    ) -> list[list[SampledTokens]]:
        """Responses to each item; each process draws those to its share."""
        mine = share(range(len(items)), self.team)
        prompts = [item.token_ids for item in items]
        before = [samples * prompts[:number].count(prompts[number]) for number in mine]

        def draw() -> list[tuple[int, list[SampledTokens]]]:
            rows = self.sampler.sample(
                [prompts[number] for number in mine],
                sampling,
                samples,
                step=index,
                logprob_temperature=self.config.temperature,
                first_copies=before,
            )
            return list(zip(mine, rows, strict=True))

        return [rows for _, rows in sorted(gathered(self.team, draw), key=lambda pair: pair[0])]

    def _rewarded(
        self, items: Sequence[PromptItem], rows: Sequence[Sequence[SampledTokens]]
    ) -> list[list[tuple[Sample, float]]]:
        """Each process rewards the samples of its share of the items."""
        samples = [
            [as_sample(item, one, self.tokenizer, self.stop) for one in row]
            for item, row in zip(items, rows, strict=True)
        ]
        mine = share(range(len(samples)), self.team)

        def rewards() -> list[tuple[int, list[float]]]:
            flat = iter(self.reward([sample for number in mine for sample in samples[number]]) if mine else ())
            return [(number, [next(flat) for _ in samples[number]]) for number in mine]

        values = [row for _, row in sorted(gathered(self.team, rewards))]
        return [list(zip(*row, strict=True)) for row in zip(samples, values, strict=True)]
