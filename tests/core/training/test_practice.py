"""What is drawn for a step, and which prompts make room for others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from core.errors import InputError
from core.inference.generator import Sampling
from core.inference.rollout import SampledTokens
from core.models.loading import LoadedModel
from core.training.algorithms import GRPO, PPO
from core.training.experience import PromptItem
from core.training.optimiser import OptimiserConfig
from core.training.policy import full_policy
from core.training.policy_learner import PolicyLearner
from core.training.practice import Drawn, Practice, PracticeConfig
from core.training.reward import FunctionReward, Sample
from core.training.seeds import drawn_without_return
from core.training.team import Alone

OPTIMISER = OptimiserConfig(learning_rate=1e-3)
ITEMS = [PromptItem(str(number), (number,), f"prompt {number}") for number in range(12)]


class Letters:
    """A tokenizer of one letter a token."""

    def decode(self, token_ids: Sequence[int], **_: object) -> str:
        return "".join(map(chr, token_ids))


@dataclass
class Scripted:
    """Draws the same letter again and again to most prompts, and different ones to some."""

    telling: frozenset[int]
    asked: list[tuple[int, int]] = field(default_factory=list)

    def sample(
        self,
        prompt_ids: Sequence[Sequence[int]],
        sampling: Sampling,
        n: int | None = None,
        *,
        first_copies: Sequence[int] | None = None,
        **_: object,
    ) -> list[list[SampledTokens]]:
        self.asked += [(prompt[0], first) for prompt, first in zip(prompt_ids, first_copies or (), strict=True)]
        return [[self._response(prompt[0], copy) for copy in range(n or 1)] for prompt in prompt_ids]

    def _response(self, prompt: int, copy: int) -> SampledTokens:
        return SampledTokens((97 + copy if prompt in self.telling else 97,), (-1.0,), "stop")


REWARD = FunctionReward(lambda sample: float(ord(sample.text) - 97), "place in the alphabet")


def practice(telling: set[int], redraw: int, items: Sequence[PromptItem] = ITEMS, prompts: int = 3) -> Practice:
    config = PracticeConfig(prompts=prompts, redraw=redraw)
    return Practice(config, Scripted(frozenset(telling)), Letters(), REWARD, items, 2, 5, (), Alone())


def order(index: int, count: int) -> list[int]:
    return list(drawn_without_return(5, len(ITEMS), index, count))


def numbers(drawn: Drawn) -> list[int]:
    return [item.token_ids[0] for item in drawn.items]


def test_without_redraw_prompts_are_taken_as_they_come() -> None:
    drawn = practice({order(0, 3)[1]}, 0).draw(0)
    assert numbers(drawn) == order(0, 3)
    assert drawn.telling == pytest.approx(1 / 3)
    assert [[score for _, score in row] for row in drawn.scored] == [[0, 0], [0, 1], [0, 0]]


def test_prompts_that_teach_nothing_make_room_for_those_that_do() -> None:
    first = order(0, 9)
    telling = {first[1], first[4], first[5], first[7]}
    drawn = practice(telling, 2).draw(0)
    assert numbers(drawn) == [first[1], first[4], first[5]]
    assert drawn.telling == pytest.approx(3 / 6)  # the third three were not asked
    assert [row.token_ids for rows in drawn.rows for row in rows] == [(97,), (98,)] * 3
    assert numbers(practice(telling, 2).draw(1)) != numbers(drawn)


def test_a_step_is_filled_up_where_too_few_tell() -> None:
    first = order(0, 9)
    made = practice({first[8]}, 2)
    drawn = made.draw(0)
    assert numbers(drawn) == [first[0], first[1], first[8]]
    assert drawn.telling == pytest.approx(1 / 9)
    assert practice(set(), 2).draw(0).telling == 0


def test_a_prompt_met_again_in_a_step_gets_other_responses() -> None:
    made = practice(set(), 1, ITEMS[:3])
    made.draw(0)
    assert isinstance(made.sampler, Scripted)
    assert sorted(made.sampler.asked) == [(0, 0), (0, 2), (1, 0), (1, 2), (2, 0), (2, 2)]


def test_what_does_not_compare_within_groups_takes_all_prompts(tiny: Callable[..., LoadedModel]) -> None:
    policy, how = full_policy(tiny(), critic="shared"), PracticeConfig(redraw=1)
    with pytest.raises(InputError, match="'ppo' learns from prompts"):
        PolicyLearner(policy, PPO(), REWARD, ITEMS, practice=how, optimiser=OPTIMISER, steps=1, seed=0)


def test_a_step_with_redraw_learns_from_the_prompts_that_tell(tiny: Callable[..., LoadedModel]) -> None:
    items = [PromptItem(text, tuple(text.encode()), text) for text in ("abc", "hello w", "12", "zz")]

    def only_of_some(sample: Sample) -> float:
        return len(set(sample.text)) / 8 if sample.prompt_id in ("12", "zz") else 0.5

    learner = PolicyLearner(
        full_policy(tiny()),
        GRPO(samples=4),
        FunctionReward(only_of_some, "letters"),
        items,
        practice=PracticeConfig(prompts=2, redraw=1, max_tokens=8),
        optimiser=OPTIMISER,
        steps=3,
        seed=3,
    )
    for index in range(3):
        assert learner.step(index)["reward/telling"] >= 0.5
        assert {sample.prompt_id for sample in learner.last_samples} == {"12", "zz"}
