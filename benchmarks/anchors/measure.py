"""What a training step costs, measured in the same way on both sides; runs under the anchors' Pythons too.

On a CPU: processor time (`time.process_time()`) between the ends of steps, and memory by the resident set. On a GPU:
seconds of the clock, and the memory its tensors take. "Held" is what was there when the warm-up was done (weights,
the optimiser's moments), "step" what the measured steps took at most beyond it: activations, logits and gradients.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from pathlib import Path
from typing import Any

import torch

_MIB = 2**20


class Meter:
    """Call `lap` at the end of every step. The first `warm_up` steps count for the peak of the process alone."""

    def __init__(self, *, warm_up: int = 1, memory: bool = True) -> None:
        self._warm_up, self._memory = warm_up, memory
        self._gpu = torch.cuda.is_available()
        self._laps = 0
        self._seconds: list[float] = []
        self._peak = self._held = 0
        self._started = self._now()

    def lap(self) -> None:
        self._laps += 1
        if self._laps > self._warm_up:
            self._seconds.append(self._now() - self._started)
        elif self._laps == self._warm_up and self._memory:
            self._peak = self._highest()
            gc.collect()
            self._held = self._start_again()
        self._started = self._now()

    def report(self) -> dict[str, Any]:
        latest = self._highest() if self._memory else 0
        return {
            "seconds": [round(value, 4) for value in self._seconds],
            "seconds_of": "the clock" if self._gpu else "processor time",
            "held_mib": self._held // _MIB,
            "step_mib": max(0, latest - self._held) // _MIB,
            "peak_mib": max(self._peak, latest) // _MIB,
        }

    def _now(self) -> float:
        if not self._gpu:
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    def _highest(self) -> int:
        return torch.cuda.max_memory_allocated() if self._gpu else _resident("VmHWM")

    def _start_again(self) -> int:
        """What is held now; the highest counts from here on."""
        if self._gpu:
            torch.cuda.reset_peak_memory_stats()
            return torch.cuda.memory_allocated()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        return _resident("VmRSS")


def _resident(field: str) -> int:
    """Bytes. `ru_maxrss` will not do: a child process starts with its parent's."""
    if not sys.platform.startswith("linux"):
        sys.exit("error: memory is read from /proc, so this benchmark runs on Linux alone.")
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")
