"""What a recipe of classes may say: one stage "classify", from labelled texts, pairs or spans.

It is a recipe as others are, but not a stage among theirs: what comes of it is no adapter that a later stage could go
on from, and it is measured by what it finds, not by what it writes.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.training.loop import LoopConfig
from core.training.pipeline.recipe import AnyRecipe, AnyStage
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


class ClassRecipe(AnyRecipe):
    """A recipe of classes; `model` is an encoder or decoder, `evaluate.metrics` are of
    `core.training.supervised.label_figures.METRICS`."""

    stage: tuple[ClassifyStage, ...] = Field(min_length=1, max_length=1)

    @property
    def promoted_name(self) -> str:
        """The name a classifier of this recipe would take; "" where none is promoted."""
        return (self.promote.name or self.name) if self.promote else ""
