"""A larger model in a supervised stage: its distribution of each token is learned, or the answers it writes."""

from __future__ import annotations

from pathlib import Path

from core.inference.generator import Sampling
from core.models.loading import LoadedModel, load_causal
from core.models.locate import locate
from core.training.data.records import Chat
from core.training.pipeline.recipe import SupervisedStage
from core.training.supervised import CausalObjective, Objective
from core.training.supervised.distillation import distillation
from core.training.supervised.teacher_answers import teacher_answers
from core.training.team import Team, by_first


def objective_of(stage: SupervisedStage, loaded: LoadedModel) -> Objective:
    """What the stage learns by. Raises `InputError` where the teacher has another vocabulary."""
    if not stage.teacher or stage.teacher_writes:
        return CausalObjective()
    return distillation(loaded, load_causal(stage.teacher, placement=loaded.placement), stage.distillation)


def written_by_teacher(stage: SupervisedStage, chats: list[Chat], folder: Path, team: Team) -> list[Chat]:
    """`chats` with the teacher's greedy answers in place of their own, where the stage wants that; kept in `folder`.

    Raises:
        InputError: no answer of the teacher's can be learned.
    """
    if not stage.teacher_writes:
        return chats

    def write() -> list[Chat]:
        from core.inference.load import load_generator

        sampling = Sampling(max_tokens=stage.row_tokens // 2)
        version = locate(stage.teacher).fingerprint
        path = folder / "teacher_answers.json"
        return list(
            teacher_answers(load_generator(stage.teacher), chats, path, sampling=sampling, version=version).chats
        )

    return by_first(team, write)
