"""Folders with names: what a name stands for changes in one rename.

Each version is a folder of its own that never changes; the name is a link to one of them, and `NAME.previous` a link to
the one before. So a reader has the old content or the new one, whole, whenever the writer is killed.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PREVIOUS = ".previous"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class NamedFolders:
    """The named folders under `root`, which may not exist yet."""

    root: Path

    def folder(self, name: str) -> Path | None:
        """The folder that `name` or `name.previous` stands for now; None if there is none."""
        if not NAME.fullmatch(name.removesuffix(PREVIOUS)):
            return None
        link = self.root / name
        return link.resolve() if link.is_dir() else None

    def names(self) -> list[str]:
        """The names that stand for something, in order."""
        return sorted(path.name for path in self.root.glob("*") if NAME.fullmatch(path.name) and path.is_dir())

    def promote(self, name: str, version: str, write: Callable[[Path], object]) -> Path:
        """Let `name` stand for the folder of `version`; what it stood for becomes `name.previous`.

        Promoting what the name stands for already changes nothing.

        Args:
            name: matches `NAME`.
            version: 16 hex digits, a hash of the content.
            write: makes the folder it is given, where that version is not here yet.
        """
        folder = self.root / f".{name}-{version}"
        with self._lock(name):
            if not folder.is_dir():
                write(folder)
            current = self.folder(name)
            if current is not None and current.name != folder.name:
                self._point(f"{name}{PREVIOUS}", current.name)
            self._point(name, folder.name)
            self._clear(name)
        return folder.resolve()

    def remove(self, name: str) -> bool:
        """Delete `name` and its previous version; whether there was anything."""
        if not NAME.fullmatch(name) or not os.path.lexists(self.root / name):
            return False
        with self._lock(name):
            for link in (name, f"{name}{PREVIOUS}"):
                (self.root / link).unlink(missing_ok=True)
            self._clear(name)
        return True

    def _point(self, link: str, target: str) -> None:
        """Let `link` lead to the folder `target` beside it, in one step."""
        fresh = self.root / f".{link}.link"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        os.replace(fresh, self.root / link)

    def _clear(self, name: str) -> None:
        """Remove versions of `name` that nothing leads to any more."""
        used = {folder.name for link in (name, f"{name}{PREVIOUS}") if (folder := self.folder(link))}
        for folder in self.root.glob(f".{name}-*"):
            version = folder.name.removeprefix(f".{name}-")
            if folder.name not in used and re.fullmatch("[0-9a-f]{16}", version):  # `.name-other-…` is another's
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / f".{name}.lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield
