"""What the parts of a run of classes share: recipe, records, folder, and the base model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.config import settings
from core.errors import InputError
from core.models.family import family_of
from core.models.hardware import Placement, choose_placement
from core.models.loading import LoadedModel, load_causal, load_encoder
from core.models.locate import locate
from core.seeds import derived_seed
from core.training.pipeline.classes.labelled import LabelledData, check_labelled, load_labelled, sha256_of_records
from core.training.pipeline.classes.recipe import ClassifyStage, ClassRecipe
from core.training.supervised.label_figures import check_metrics
from core.training.team import Team, current_team

Family = Literal["encoder", "causal"]


@dataclass(frozen=True, slots=True)
class ClassBench:
    """Made by `open_class_bench`.

    Attributes:
        folder: of the run's output.
        data_sha256: of the records.
    """

    recipe: ClassRecipe
    data: LabelledData
    data_sha256: str
    folder: Path
    team: Team

    @property
    def stage(self) -> ClassifyStage:
        """The one there is."""
        return self.recipe.stage[0]

    @property
    def seed(self) -> int:
        """Of the stage."""
        return derived_seed(self.recipe.seed, "stage", 1)

    def load(self) -> tuple[LoadedModel, Family]:
        """The base in float32, in which small steps are not lost."""
        placement = Placement(choose_placement().device, "float32", "training")
        if family_named(self.recipe.model) == "causal":
            return load_causal(self.recipe.model, placement=placement), "causal"
        return load_encoder(self.recipe.model, placement=placement), "encoder"

    def key(self, fingerprint: str) -> str:
        """Hash of all that decides what comes of the stage. How often things are written down is not among it."""
        unseen = {"loop": {"checkpoint_every", "samples_every", "keep", "trackers"}}
        stage = self.stage.model_dump(mode="json", exclude=unseen)
        what = [fingerprint, self.data_sha256, self.recipe.seed, self.recipe.choice, stage]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def open_class_bench(
    recipe: ClassRecipe, out: Path | None = None, *, data: LabelledData | None = None, team: Team | None = None
) -> ClassBench:
    """Everything about recipe and data that can be wrong is found here.

    Args:
        out: the output folder; default: `<cache>/training/NAME`.
        data: in place of what the recipe names.

    Raises:
        InputError, UnknownName: a split is empty or not apart, or a metric is not one of such data.
    """
    found = (data or load_labelled(recipe)).limited(recipe.data.model_dump(include={"train", "validation", "test"}))
    check_labelled(found)
    check_metrics(found.task, recipe.metrics)
    stage, team = recipe.stage[0], team or current_team()
    if found.task == "token" and stage.start == "probe":
        raise InputError("There is no probe of spans.", hint='Leave start out, or set start = "untaught".')
    if team.sharding:
        raise InputError(f"With {team.sharding}, classes are not learned yet.", hint="Launch with ddp or ddp-cpu.")
    folder = out or settings().cache_dir / "training" / recipe.name
    return ClassBench(recipe, found, sha256_of_records(found), folder, team)


def family_named(name: str) -> Family:
    """Whether the model `name` is read as a decoder. Raises as `locate` does."""
    located = locate(name)
    kind = located.entry.kind if located.entry else family_of(located.folder)
    return "causal" if kind == "causal" else "encoder"
