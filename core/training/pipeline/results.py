"""What came of a stage: `result.json`, which is written last, and what it is made of."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from core.errors import DataMismatch
from core.training.checkpoint import checkpoints
from core.training.journal import read_journal
from core.training.loop import BEST

RESULT = "result.json"


class StageResult(BaseModel):
    """What came of a stage.

    Attributes:
        key: hash of all that made it: model, data, seed, this stage and those before.
        artefact: the folder in the stage's that the next one starts from.
        sha256: of the weights in it.
        best_step, best_value: of the evaluation that was the best; steps is what was done, `seconds` how long it took.
        policy_key: which policy it is, for `Evaluator.kept`; "" for a reward.
        figures: of the last step.
        signs: what `core.training.reward.hacking` found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    key: str
    artefact: str
    sha256: str
    steps: int
    best_step: int | None
    best_value: float | None
    seconds: float
    policy_key: str = ""
    figures: dict[str, float] = {}
    signs: dict[str, JsonValue] = {}
    warnings: tuple[str, ...] = ()


def read_result(folder: Path) -> StageResult | None:
    """The result in `folder`; None where the stage is not finished. Raises `DataMismatch` for one it cannot read."""
    path = folder / RESULT
    if not path.is_file():
        return None
    try:
        return StageResult.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataMismatch(f"'{path}' is damaged or of another version.", hint="Run with --restart.") from error


def drop_checkpoints(folder: Path) -> None:
    """A finished stage goes on from its result alone, and moments take twice the room of what learns."""
    for path in (folder / BEST, *(path for _, path in checkpoints(folder))):
        shutil.rmtree(path, ignore_errors=True)


def last_figures(folder: Path) -> dict[str, float]:
    """Those of the last step."""
    rows = [row for row in read_journal(folder) if "evaluation" not in row]
    return {name: value for name, value in rows[-1].items() if name != "step"} if rows else {}


def weights_sha256(folder: Path) -> str:
    """One hash of the weights in `folder`: the same training gives the same, whenever it was done."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.safetensors")):
        digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()
