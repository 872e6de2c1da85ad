"""Progress over all stages of a recipe, with the time it will still take."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TextIO

from core.progress import ProgressCallback

_LIVE_SECONDS, _SPARSE_SECONDS = 0.2, 15.0


class RecipeProgress:
    """A line on stderr: the stage, its step, and the time left in all.

    Args:
        kinds: of the stages.
        costs: of each stage, in any unit; a stage's steps cost the same. What is left is reckoned by the time that the
            work done in this process took, so a resumed run is not thought faster than it is.
    """

    def __init__(self, kinds: Sequence[str], costs: Sequence[float], *, stream: TextIO | None = None) -> None:
        self._kinds, self._costs = kinds, costs
        self._stream = stream or sys.stderr
        self._started = time.monotonic()
        self._shown = self._started
        self._first: float | None = None
        self._drawn = False

    def stage(self, number: int) -> ProgressCallback:
        """What stage `number` (from 1) reports its steps to."""

        def step(done: int, total: int) -> None:
            self._step(number, done, total)

        return step

    def close(self) -> None:
        """End the line, where one is drawn."""
        if self._drawn and self._stream.isatty():
            self._stream.write("\n")
            self._stream.flush()

    def _step(self, number: int, done: int, total: int) -> None:
        earlier = sum(self._costs[: number - 1])
        cost = self._costs[number - 1] / max(total, 1)
        reached = earlier + cost * done
        if self._first is None:  # the step before this one is where this process began
            self._first = earlier + cost * (done - 1)
        now = time.monotonic()
        live = self._stream.isatty()
        if now - self._shown < (_LIVE_SECONDS if live else _SPARSE_SECONDS):
            return
        self._shown, self._drawn = now, True
        rate = (now - self._started) / max(reached - self._first, 1e-12)
        left = rate * max(sum(self._costs) - reached, 0.0)
        line = f"stage {number} of {len(self._kinds)} ({self._kinds[number - 1]}): step {done} of {total}"
        line += f"; about {duration(left)} left in all"
        self._stream.write(f"\r\x1b[2K{line}" if live else f"{line}\n")
        self._stream.flush()


def duration(seconds: float) -> str:
    """A time in the unit it is read in: "40 s", "12 min", "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
