"""The folder of a run: whose it is, who works in it, and what to say when nothing can be written there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel

from core.errors import InputError
from core.files import write_atomic
from core.training.faults import CheckpointFailed

_RECIPE, _LOCK, _KEY = "recipe.json", ".lock", "key"
_MOST_STAGES = 100
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def begin_folder(folder: Path, recipe: BaseModel, keys: Mapping[str, str], *, restart: bool) -> None:
    """Make the folder this recipe's; one that is not a run's is left alone.

    Args:
        keys: of the stages in order, by the names of their folders such as "1-sft": a hash of all that decides what
            comes of a stage.
        restart: throw away stages of another recipe, instead of refusing the folder.

    Raises:
        InputError: the folder is of another recipe, or holds something else.
    """
    path = folder / _RECIPE
    text = recipe.model_dump_json(indent=1)
    if not path.is_file():
        if any(other.name != _LOCK for other in folder.iterdir()):
            raise InputError(f"'{folder}' holds something else than a run.", hint="Give a new --out.")
        write_atomic(path, text)
    for number, (name, key) in enumerate(keys.items(), start=1):
        _check_stage(folder, number, name, key, restart=restart)
    write_atomic(path, text)


def _check_stage(folder: Path, number: int, name: str, key: str, *, restart: bool) -> None:
    place = folder / name
    if any(path != place or _key_in(path) != key for path in _stages_in(folder, number)):
        if not restart:
            raise InputError(
                f"'{folder}' is of another recipe: stage {number} had other settings, model or data.",
                hint="Give another --out, or --restart to throw away what does not fit from that stage on.",
            )
        for later in range(number, _MOST_STAGES):
            for path in _stages_in(folder, later):
                shutil.rmtree(path)
    place.mkdir(parents=True, exist_ok=True)
    write_atomic(place / _KEY, key)


def _stages_in(folder: Path, number: int) -> list[Path]:
    """Folders of stage `number`, whatever its kind."""
    return [path for path in folder.glob(f"{number}-*") if (path / _KEY).is_file()]


def _key_in(folder: Path) -> str:
    return (folder / _KEY).read_text(encoding="utf-8").strip()


@contextlib.contextmanager
def room_in(folder: Path) -> Iterator[None]:
    """Says in words that nothing can be written. Every file is written whole or not at all."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise CheckpointFailed(
            f"Nothing more can be written in '{folder}': {error.strerror}.",
            hint="Free some space or give another --out; the same command then goes on from what was saved.",
        ) from error


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """The folder to ourselves. Raises `InputError` where another process works in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"'{folder}' cannot be made: {error.strerror}.", hint="Give another --out.") from error
    with (folder / _LOCK).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                f"Another process is running a recipe in '{folder}'.", hint="Wait for it, or give another --out."
            ) from error
        yield
