"""Building a model's folder beside its place and putting it there in one rename."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.files import ordinary_mode


@contextmanager
def new_model_folder(target: Path) -> Iterator[Path]:
    """A fresh folder that takes `target`'s place if the block ends well, and vanishes if it does not."""
    fresh = target.with_name(f".{target.name}.new")
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        fresh.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def make_readable(folder: Path) -> None:
    """Give files the permissions the user's umask allows: a cache may be shared, and temporary files are private."""
    mode = ordinary_mode()
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(mode)
