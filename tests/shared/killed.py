"""Runs that are broken off on the way: for tests of going on where they were."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from core.training.journal import Journal


@contextlib.contextmanager
def killed_at(call: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The run inside is broken off at the `call`-th line of its journals; it must come to that."""
    calls = 0
    log = Journal.log

    def killed(journal: Journal, step: int, figures: dict[str, float]) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        log(journal, step, figures)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Journal, "log", killed)
        yield
