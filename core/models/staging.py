"""Building a model's folder beside its place and putting it there in one rename."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import InputError, UnwritableFile
from core.files import ordinary_mode

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def check_place(target: Path, marker: str, kind: str) -> None:
    """Learn before the work whether `new_model_folder` could put its result at `target`.

    Args:
        marker: the file by which `kind`, such as "an adapter", is known; only such a folder may be replaced.

    Raises:
        InputError: `target` holds something else, which would be lost.
        UnwritableFile: there can be no such folder.
    """
    with _writing(target):
        empty = target.is_dir() and not any(target.iterdir())
        if target.exists() and not empty and not (target / marker).is_file():
            what = f"holds something else than {kind}" if target.is_dir() else "is a file"
            raise InputError(f"'{target}' {what}; it was left as it is.", hint="Choose a new folder.")
        fresh = _beside(target)
        fresh.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(fresh)


@contextmanager
def new_model_folder(target: Path) -> Iterator[Path]:
    """A fresh folder that takes `target`'s place if the block ends well, and vanishes if it does not.

    Raises:
        UnwritableFile: there can be no such folder, or what the block writes into it finds no room.
    """
    from safetensors import SafetensorError

    fresh = _beside(target)
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(fresh, ignore_errors=True)
    with _writing(target):
        fresh.mkdir(parents=True)
    try:
        yield fresh
        with _writing(target):
            shutil.rmtree(old, ignore_errors=True)
            if target.exists():
                target.rename(old)
            fresh.rename(target)
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise _unwritable(target, error.strerror) from error
    except SafetensorError as error:
        if "os error" not in str(error):  # how safetensors tells that it could not write
            raise
        raise _unwritable(target, str(error)) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.new")


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unwritable(target, error.strerror) from error


def _unwritable(target: Path, reason: str | None) -> UnwritableFile:
    return UnwritableFile(
        f"'{target}' cannot be written: {reason}.",
        hint="Free some space, or choose a place where you may make folders. Nothing that was there has changed.",
    )


def make_readable(folder: Path) -> None:
    """Give files the permissions the user's umask allows: a cache may be shared, and temporary files are private."""
    mode = ordinary_mode()
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(mode)
