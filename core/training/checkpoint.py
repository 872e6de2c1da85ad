"""Checkpoints: whole or not there. A kill at any moment, or a full disk, leaves the last good one as it was."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError, UnwritableFile
from core.files import MEBIBYTE, read_json_object
from core.models.staging import new_model_folder
from core.training.faults import CheckpointFailed

if TYPE_CHECKING:
    import torch

_NAME = re.compile(r"step-(\d{8})")
_MOST_CARD_BYTES = 256 * MEBIBYTE


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What a training needs to go on: tensors by name, and everything else as JSON."""

    tensors: Mapping[str, torch.Tensor] = field(default_factory=dict)
    numbers: Mapping[str, Any] = field(default_factory=dict)


def save_checkpoint(folder: Path, step: int, state: State, *, keep: int = 2) -> Path:
    """Write the state after `step` steps and drop all but the newest `keep`.

    Raises:
        CheckpointFailed: it could not be written; nothing that was there has changed.
    """
    target = folder / f"step-{step:08d}"
    write_state(target, step, state)
    for _, old in checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def write_state(target: Path, step: int, state: State) -> None:
    """Write `state` as the folder `target`, in one move. Raises as `save_checkpoint` does."""
    from safetensors.torch import save

    try:
        data = save({name: tensor.detach().contiguous().cpu().clone() for name, tensor in state.tensors.items()})
        card = {"step": step, "sha256": _digest(data, state.numbers), "numbers": state.numbers}
        with new_model_folder(target) as fresh:
            _write_through(fresh / "tensors.safetensors", data)
            _write_through(fresh / "state.json", json.dumps(card).encode())
    except (OSError, UnwritableFile) as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
        raise CheckpointFailed(
            f"The checkpoint of step {step} cannot be written to '{target}': {reason}.",
            hint="Free some space or choose another folder, then run the same command again: it goes on from the "
            "checkpoint before.",
        ) from error


def checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """Steps and folders, the oldest first. Half-written ones have another name and are not among them."""
    if not folder.is_dir():
        return []
    found = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in found if match)


def latest_checkpoint(folder: Path) -> tuple[int, State] | None:
    """The newest checkpoint that is intact; one whose content does not match its sum is passed over, with a warning."""
    for _, path in reversed(checkpoints(folder)):
        read = read_state(path)
        if read is not None:
            return read
        warnings.warn(f"The checkpoint '{path}' is damaged and is passed over.", RuntimeWarning, stacklevel=2)
    return None


def read_state(path: Path) -> tuple[int, State] | None:
    """Step and state of a folder that `write_state` made; None where it is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        card = read_json_object(path / "state.json", max_bytes=_MOST_CARD_BYTES)
        data = (path / "tensors.safetensors").read_bytes()
    except (InputError, OSError):
        return None
    step, numbers = card.get("step"), card.get("numbers")
    if not isinstance(step, int) or not isinstance(numbers, dict) or _digest(data, numbers) != card.get("sha256"):
        return None
    try:
        return step, State(load(data), numbers)
    except SafetensorError:
        return None


def _digest(data: bytes, numbers: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(data)
    digest.update(json.dumps(numbers).encode())
    return digest.hexdigest()


def _write_through(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
