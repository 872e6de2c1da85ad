"""What a recipe of classes may say: one stage "classify", from labelled texts, pairs or spans.

It is a recipe as others are, but not a stage among theirs: what comes of it is no adapter that a later stage could go
on from, and it is measured by what it finds, not by what it writes.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from core.training.config import Config
from core.training.loop import LoopConfig
from core.training.pipeline.recipe import AnyStage, DataChoice, PromoteChoice
from core.training.supervised.classify import ClassifyConfig

KIND = "classify"


class ClassifyStage(AnyStage, ClassifyConfig):
    """Learn classes of texts or pairs, sets of classes, or spans. With `steps` 0 the result is what it begins as: the
    probe."""

    kind: Literal["classify"]
    steps: int = Field(ge=0)

    @property
    def looping(self) -> LoopConfig:
        """How long, and how often what; for one step or more."""
        return LoopConfig(steps=self.steps, **self.loop.model_dump())


class ClassEvaluate(Config):
    """What is measured, see `core.training.supervised.label_figures.METRICS`; `samples` of test stand in the report."""

    metrics: tuple[str, ...] = ()
    samples: int = Field(5, ge=0)


class ClassRecipe(Config):
    """A recipe of classes.

    Attributes:
        name: of its output and, by default, its classifier; "" until `reading` takes the file's.
        model: an encoder or decoder.
    """

    name: str = Field("", pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]{0,63})?$")
    model: str
    seed: int = Field(0, ge=0)
    data: DataChoice
    stage: tuple[ClassifyStage, ...] = Field(min_length=1, max_length=1)
    evaluate: ClassEvaluate = Field(default_factory=ClassEvaluate)
    promote: PromoteChoice | None = None

    @model_validator(mode="after")
    def _choice(self) -> Self:
        if self.promote is None and not self.evaluate.metrics:
            raise ValueError("name a metric to choose by: [promote] metric, or [evaluate] metrics")
        return self

    @property
    def choice(self) -> str:
        """The metric that checkpoints are chosen and classifiers promoted by."""
        return self.promote.metric if self.promote else self.evaluate.metrics[0]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Everything that is measured: `choice` first."""
        return tuple(dict.fromkeys([self.choice, *self.evaluate.metrics]))

    @property
    def promoted_name(self) -> str:
        """The name a classifier of this recipe would take; "" where none is promoted."""
        return (self.promote.name or self.name) if self.promote else ""
