"""Practice: responses drawn to the prompts of a step, and what each is worth. Nothing is learned here.

A prompt whose responses are all worth the same teaches nothing where they are compared with one another, and leaves the
step to the noise of the others. With `redraw` such prompts make room for others whose responses differ (Yu et al. 2025,
section 3.2, "dynamic sampling"; here a step never draws without end).

Everything random depends on (seed, step, prompt, sample), so that neither the number of processes nor a resumed run
changes what is drawn.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pydantic import Field

from core.errors import InputError
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

_ALIKE = 1e-6
"""Rewards that differ by no more are the same."""


class PracticeConfig(Config):
    """How a step is made up.

    Attributes:
        prompts: a step, over all processes.
        redraw: at most so many times more prompts are drawn for, to take the places of those whose responses are all
            worth the same; 0 takes all as they come.
        max_tokens: of a response.
        temperature: responses are drawn from softmax(logits / this), and learned from as such.
        piece_tokens: at most about so many tokens go through the model at a time while learning; less takes less
            memory and changes nothing else.
        kl: the KL coefficient and its target.
    """

    prompts: int = Field(8, ge=1)
    redraw: int = Field(0, ge=0, le=31)
    max_tokens: int = Field(64, ge=1)
    temperature: float = Field(1.0, gt=0, le=10)
    piece_tokens: int = Field(2048, ge=1)
    kl: KLControl = KLControl()


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """The prompts of a step, the responses that all processes together drew to each, and what those are worth.

    Attributes:
        scored: a row a prompt: each response as its reward sees it, and the reward.
        mean_score: of all responses drawn, those to prompts that made room included.
        telling: the part of all prompts drawn for whose responses differ in worth.
        seconds: that drawing and rewarding took.
    """

    index: int
    items: Sequence[PromptItem]
    rows: Sequence[Sequence[SampledTokens]]
    scored: Sequence[Sequence[tuple[Sample, float]]]
    mean_score: float
    telling: float
    seconds: Mapping[str, float]

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


def learns_from_all(algorithm: str) -> InputError:
    """What to say of `redraw` with an algorithm that does not compare the responses to a prompt with one another."""
    return InputError(
        f"'{algorithm}' learns from prompts whose responses are all worth the same, too.",
        hint="Leave `redraw` out, or choose an algorithm that compares the responses to a prompt: grpo, rloo.",
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    item: PromptItem
    row: Sequence[SampledTokens]
    scored: Sequence[tuple[Sample, float]]


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
        """The responses of step `index`, rewarded."""
        wanted, most = self.config.prompts, self.config.prompts * (1 + self.config.redraw)
        numbers = drawn_without_return(self.seed, len(self.items), index * most, most)
        sampling = Sampling(
            max_tokens=self.config.max_tokens, temperature=self.config.temperature, seed=self.seed, stop=self.stop
        )
        seconds = {"draw": 0.0, "reward": 0.0}
        made: list[_Made] = []
        while len(made) < most and sum(tells(one.scored) for one in made) < wanted:
            tried = [one.item for one in made]
            items = [self.items[number] for number in numbers[len(made) : len(made) + wanted]]
            began = time.perf_counter()
            rows = self._rows(items, sampling, self.samples, index, tried)
            drew = time.perf_counter()
            made += map(_Made, items, rows, self.rewarded(items, rows))
            seconds["draw"] += drew - began
            seconds["reward"] += time.perf_counter() - drew
        kept = _that_tell(made, wanted)
        return Drawn(
            index,
            [one.item for one in kept],
            [one.row for one in kept],
            [one.scored for one in kept],
            fmean(score for one in made for _, score in one.scored),
            fmean(tells(one.scored) for one in made),
            seconds,
        )

    def greedy_rewards(self, drawn: Drawn) -> list[float]:
        """What the likeliest response to each prompt is worth."""
        sampling = Sampling(max_tokens=self.config.max_tokens, stop=self.stop)
        rows = self._rows(drawn.items, sampling, 1, drawn.index, ())
        return [row[0][1] for row in self.rewarded(drawn.items, rows)]

    def _rows(
        self,
        items: Sequence[PromptItem],
        sampling: Sampling,
        samples: int,
        index: int,
        earlier: Sequence[PromptItem],
    ) -> list[list[SampledTokens]]:
        """Responses to each item, after those to `earlier` items; each process draws those to its share."""
        mine = share(range(len(items)), self.team)
        prompts = [item.token_ids for item in (*earlier, *items)]
        places = [len(earlier) + number for number in mine]
        before = [samples * prompts[:place].count(prompts[place]) for place in places]

        def draw() -> list[tuple[int, list[SampledTokens]]]:
            rows = self.sampler.sample(
                [prompts[place] for place in places],
                sampling,
                samples,
                step=index,
                logprob_temperature=self.config.temperature,
                first_copies=before,
            )
            return list(zip(mine, rows, strict=True))

        return [rows for _, rows in sorted(gathered(self.team, draw), key=lambda pair: pair[0])]

    def rewarded(
        self, items: Sequence[PromptItem], rows: Sequence[Sequence[SampledTokens]]
    ) -> list[list[tuple[Sample, float]]]:
        """A row a prompt: each response as its reward sees it, and the reward. Each process rewards its share."""
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


def tells(scored: Sequence[tuple[Sample, float]]) -> bool:
    """Whether the responses to a prompt differ in worth."""
    scores = [score for _, score in scored]
    return max(scores) - min(scores) > _ALIKE


def _that_tell(made: Sequence[_Made], count: int) -> list[_Made]:
    """The first `count` that tell, filled up with others where they are too few; in the order they came."""
    telling_first = sorted(range(len(made)), key=lambda place: not tells(made[place].scored))
    return [made[place] for place in sorted(telling_first[:count])]
