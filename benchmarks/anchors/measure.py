"""What a training step costs, measured in the same way on both sides; runs under the anchors' Pythons too.

Processor time is `time.process_time()` between the ends of steps. Memory is the resident set: the highest of the whole
process, and the highest of the measured steps over what was held when the warm-up was done (weights, gradients kept and
the optimiser's moments), which is what a step needs for activations, logits and gradients.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from pathlib import Path
from typing import Any

_MIB = 2**20


class Meter:
    """Call `lap` at the end of every step. The first `warm_up` steps count for the peak of the process alone."""

    def __init__(self, *, warm_up: int = 1, memory: bool = True) -> None:
        self._warm_up, self._memory = warm_up, memory
        self._laps = 0
        self._cpu_seconds: list[float] = []
        self._before = self._peak = self._held = 0
        self._before = _resident("VmRSS")
        self._started = time.process_time()

    def lap(self) -> None:
        self._laps += 1
        if self._laps > self._warm_up:
            self._cpu_seconds.append(time.process_time() - self._started)
        elif self._laps == self._warm_up and self._memory:
            self._peak = _resident("VmHWM")
            gc.collect()
            ctypes.CDLL(None).malloc_trim(0)
            self._held = _resident("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
        self._started = time.process_time()

    def report(self) -> dict[str, Any]:
        latest = _resident("VmHWM")
        return {
            "cpu_seconds": [round(value, 3) for value in self._cpu_seconds],
            "before_mib": self._before // _MIB,
            "held_mib": self._held // _MIB,
            "step_mib": max(0, latest - self._held) // _MIB,
            "peak_mib": max(self._peak, latest) // _MIB,
        }


def _resident(field: str) -> int:
    """Bytes. `ru_maxrss` will not do: a child process starts with its parent's."""
    if not sys.platform.startswith("linux"):
        sys.exit("error: memory is read from /proc, so this benchmark runs on Linux alone.")
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")
