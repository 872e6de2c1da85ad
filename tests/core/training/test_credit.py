from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import byte_tokenizer

from core.errors import InputError
from core.metrics import Context
from core.metrics.fields import FieldF1
from core.metrics.metric import Milestone
from core.models.loading import LoadedModel
from core.training.advantages import group_relative, step_relative
from core.training.algorithms import GRPO
from core.training.credit import credits_of
from core.training.experience import PromptItem
from core.training.optimiser import OptimiserConfig
from core.training.policy import full_policy
from core.training.policy_learner import PolicyLearner
from core.training.practice import PracticeConfig
from core.training.reward import FunctionReward, Sample, metric_reward

TOKENIZER = byte_tokenizer(eos_token="<|im_end|>")
REFERENCE = Context(references=('{"a": "x", "b": "y"}',))


def sample(text: str, *, finished: bool = True) -> Sample:
    ids = tuple(TOKENIZER(text)["input_ids"]) + ((TOKENIZER.eos_token_id,) if finished else ())
    return Sample("1", "?", text.strip(), REFERENCE, finished, (), ids)


def test_each_token_belongs_to_the_step_it_helps_to_state() -> None:
    reward = metric_reward(FieldF1(), cut=-0.2)
    texts = [' {"a": "é", "b": "y"}', '{"a": "x", "b": "y"}', '{"a": "x", ']
    samples = [[sample(texts[0]), sample(texts[1]), sample(texts[2], finished=False)]]
    credits = credits_of(reward, samples, [reward(samples[0])], TOKENIZER)
    assert credits.counts.tolist() == [[2, 2, 1]]
    assert torch.allclose(credits.table, torch.tensor([[[0.0, 0.5], [2 / 3, 1 / 3], [-0.2, 0.0]]]))
    first, second, third = credits.steps.tolist()
    assert first.index(1) == len(' {"a": "é"'.encode()) and set(first[first.index(1) :]) == {1}
    assert second.index(1) == len('{"a": "x"')
    assert set(third) == {0}


@given(st.integers(0, 10_000), st.floats(0, 1), st.booleans())
def test_step_relative_equals_a_loop(seed: int, trace: float, scale: bool) -> None:
    source = torch.Generator().manual_seed(seed)
    counts = torch.randint(1, 5, (3, 4), generator=source)
    credits = torch.randn(3, 4, 5, generator=source) * (torch.arange(5) < counts[..., None])
    found = step_relative(credits, counts, trace=trace, scale=scale)
    for prompt in range(3):
        to_go = [[0.0] * 6 for _ in range(4)]
        for row in range(4):
            for step in reversed(range(5)):
                to_go[row][step] = float(credits[prompt, row, step]) + trace * to_go[row][step + 1]
        means = [sum(row[step] for row in to_go) / 4 for step in range(5)]
        centred = [[row[step] - means[step] for step in range(5)] for row in to_go]
        most = int(counts[prompt].max())
        square = sum(value**2 for row in centred for value in row[:most]) / (3 * most)
        unit = square**0.5 + 1e-4 if scale else 1.0
        for row in range(4):
            assert found[prompt, row].tolist() == pytest.approx([value / unit for value in centred[row]], abs=2e-4)


def test_one_step_a_response_is_group_relative() -> None:
    scores = torch.rand(3, 4)
    found = step_relative(scores[..., None], torch.ones(3, 4, dtype=torch.long), trace=0.3)
    assert torch.allclose(found[..., 0], group_relative(scores), atol=1e-5)


def test_what_was_won_before_a_step_is_no_merit_of_it() -> None:
    """Two responses differ in their first step alone: from the second on there is nothing to learn."""
    credits = torch.tensor([[[1.0, 0.5], [0.0, 0.5]]])
    found = step_relative(credits, torch.tensor([[2, 2]]), trace=1.0, scale=False)
    assert found.tolist() == [[[0.5, 0.0], [-0.5, 0.0]]]


class Halves:
    """The first four letters and the rest are steps; a step is worth its share of letters up to m."""

    name = "halves"

    def milestones(self, sample: Sample) -> list[Milestone]:
        values = ["a" <= letter <= "m" for letter in sample.text]
        return [Milestone(end, sum(values[:end]) / 8) for end in sorted({min(4, len(values)), len(values)}) if end]

    def __call__(self, samples: list[Sample]) -> list[float]:
        return [sum("a" <= letter <= "m" for letter in one.text) / 8 for one in samples]


def learner(reward: object, tiny: Callable[..., LoadedModel]) -> PolicyLearner:
    items = [PromptItem(text, tuple(text.encode()), text) for text in ("abc", "hello w", "12", "zz")]
    practice = PracticeConfig(prompts=4, max_tokens=8)
    optimiser = OptimiserConfig(learning_rate=3e-3)
    policy = full_policy(tiny())
    return PolicyLearner(
        policy,
        GRPO(samples=8, trace=0.5),
        reward,  # type: ignore[arg-type]
        items,
        practice=practice,
        optimiser=optimiser,
        steps=100,
        seed=3,
    )


def test_credit_by_steps_raises_the_reward(tiny: Callable[..., LoadedModel]) -> None:
    learns = learner(Halves(), tiny)
    rewards = [learns.step(index)["reward/mean"] for index in range(30)]
    assert sum(rewards[-5:]) / 5 > 2 * sum(rewards[:3]) / 3


def test_a_reward_without_steps_is_refused(tiny: Callable[..., LoadedModel]) -> None:
    with pytest.raises(InputError, match="'constant' does not say what each step"):
        learner(FunctionReward(lambda one: 0.0, "constant"), tiny)
