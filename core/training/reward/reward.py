"""`Reward`: one number a sampled response. Any `Metric` is one, and so is any Python function.

A reward that raises, or gives something that is no finite number, for one sample stops the step with an error that
names the sample; nothing is put in its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

from core.metrics.metric import NO_CONTEXT, Context, Metric, Milestone, Stepwise
from core.training.faults import RewardFailed

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Sample:
    """A response to be rewarded.

    Attributes:
        prompt_id: which prompt of the data it answers.
        prompt: as text.
        text: the response.
        context: references and evidence of the prompt, where the data has them.
        finished: whether it came to its own end, and was not cut at the limit of tokens.
        prompt_ids, response_ids: both as tokens of the policy, for rewards that read those.
    """

    prompt_id: str
    prompt: str
    text: str
    context: Context = NO_CONTEXT
    finished: bool = True
    prompt_ids: tuple[int, ...] = ()
    response_ids: tuple[int, ...] = ()

    def describe(self) -> str:
        """The sample in one line, for an error."""
        text = self.text if len(self.text) <= _SHOWN_CHARACTERS else self.text[:_SHOWN_CHARACTERS] + "…"
        return f"prompt {self.prompt_id}, response {text!r}"


class Reward(Protocol):
    """A measure of sampled responses; more is better."""

    @property
    def name(self) -> str: ...

    def __call__(self, samples: Sequence[Sample]) -> list[float]:
        """One finite number a sample. Raises `RewardFailed`, naming the sample."""
        ...


@dataclass(frozen=True, slots=True)
class MetricReward:
    """A metric as reward.

    Attributes:
        cut: what a response gets in addition that was cut at the limit of tokens; usually 0 or less.
    """

    metric: Metric
    cut: float = 0.0

    @property
    def name(self) -> str:
        return self.metric.name

    def __call__(self, samples: Sequence[Sample]) -> list[float]:
        scores = self.metric.score([sample.text for sample in samples], [sample.context for sample in samples])
        values = [
            score.value + (0.0 if sample.finished else self.cut) for score, sample in zip(scores, samples, strict=True)
        ]
        return checked(self.name, values, samples)


@runtime_checkable
class StepwiseReward(Protocol):
    """A reward that also says what a response is worth up to each of its steps."""

    def milestones(self, sample: Sample) -> list[Milestone]:
        """See `Stepwise`."""
        ...


@dataclass(frozen=True, slots=True)
class StepwiseMetricReward(MetricReward):
    """A stepwise metric as reward."""

    def milestones(self, sample: Sample) -> list[Milestone]:
        """Those of the metric; the cut is no step of its own."""
        assert isinstance(self.metric, Stepwise)
        return self.metric.milestones(sample.text, sample.context)


@dataclass(frozen=True, slots=True)
class FunctionReward:
    """Any function of one sample as reward."""

    function: Callable[[Sample], float]
    name: str

    def __call__(self, samples: Sequence[Sample]) -> list[float]:
        values = []
        for sample in samples:
            try:
                values.append(float(self.function(sample)))
            except Exception as error:  # whatever a user's function raises, the sample must be named
                problem = f"{type(error).__name__}: {error}"
                raise RewardFailed(self.name, problem, sample.describe()) from error
        return checked(self.name, values, samples)


def metric_reward(metric: Metric, cut: float = 0.0) -> MetricReward:
    """The metric as reward, by its steps where it has them."""
    return (StepwiseMetricReward if isinstance(metric, Stepwise) else MetricReward)(metric, cut)


def as_reward(given: Reward | Metric | Callable[[Sample], float]) -> Reward:
    """`given` as a `Reward`: a metric (it has `score`), a reward (it has a `name`), or a function of one sample."""
    if hasattr(given, "score"):
        return metric_reward(cast(Metric, given))
    if hasattr(given, "name"):
        return cast(Reward, given)
    return FunctionReward(given, getattr(given, "__name__", type(given).__name__))


def checked(name: str, values: Sequence[float], samples: Sequence[Sample]) -> list[float]:
    """`values` as they are. Raises `RewardFailed` for a count that does not fit or a number that is not finite."""
    if len(values) != len(samples):
        raise RewardFailed(name, f"{len(values)} numbers for {len(samples)} samples", samples[0].describe())
    for value, sample in zip(values, samples, strict=True):
        if not math.isfinite(value):
            raise RewardFailed(name, f"it gave {value}", sample.describe())
    return list(values)
