"""Progress with an estimated time of arrival, for anything that may take more than two seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO, TypeVar

T = TypeVar("T")

ProgressCallback = Callable[[int, int], None]
"""`(done, total)`; what long-running core functions accept, so a page can show a bar where a terminal shows a line."""

_REPORT_EVERY_SECONDS = 0.2
_SILENT_FIRST_SECONDS = 1.0


class ProgressLine:
    """A progress line on stderr: redrawn on a terminal, printed sparsely to a file. Quiet for quick work."""

    def __init__(self, label: str, *, stream: TextIO | None = None) -> None:
        self.label = label
        self._stream = stream or sys.stderr
        self._started = time.monotonic()
        self._last = self._started + _SILENT_FIRST_SECONDS - _REPORT_EVERY_SECONDS
        self._drawn = False

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        live = self._stream.isatty()
        interval = _REPORT_EVERY_SECONDS if live else 15.0
        finished = done >= total
        if now - self._last < interval and not (finished and self._drawn):
            return
        self._last = now
        self._drawn = True
        elapsed = now - self._started
        eta = elapsed / done * (total - done) if done else float("inf")
        share = f"{done / total:4.0%}" if total else "    "
        tail = f"in {elapsed:.0f} s" if finished else (f"about {eta:.0f} s left" if done else "")
        line = f"{self.label}: {share} ({done}/{total}) {tail}"
        self._stream.write(f"\r\x1b[2K{line}" if live else f"{line}\n")
        if live and finished:
            self._stream.write("\n")
        self._stream.flush()


def track(items: Iterable[T], label: str, *, total: int | None = None) -> Iterator[T]:
    """Iterate over `items`, showing a `ProgressLine`."""
    sized = total if total is not None else len(items)  # type: ignore[arg-type]
    line = ProgressLine(label)
    for done, item in enumerate(items, start=1):
        yield item
        line(done, sized)
