"""Rows of different lengths in two flat arrays (compressed sparse rows), as they lie in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ragged:
    """`starts` has one entry more than there are rows; row i is `values[starts[i]:starts[i + 1]]`."""

    starts: NDArray[np.int64]
    values: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def bounds(self, row: int) -> slice:
        """Where row `row` lies, for arrays that run parallel to `values`."""
        return slice(int(self.starts[row]), int(self.starts[row + 1]))

    def row(self, row: int) -> NDArray[np.int32]:
        return self.values[self.bounds(row)]

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[int]]) -> Ragged:
        starts = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=starts[1:])
        flat = np.fromiter((value for row in rows for value in row), np.int32, count=int(starts[-1]))
        return cls(starts, flat)

    def transpose(self, columns: int) -> tuple[Ragged, NDArray[np.int64]]:
        """The same pairs by column, and for each of them its position in `values`."""
        order = np.argsort(self.values, kind="stable")
        row_of = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.starts))
        starts = np.zeros(columns + 1, np.int64)
        np.cumsum(np.bincount(self.values, minlength=columns), out=starts[1:])
        return Ragged(starts, row_of[order]), order

    def save(self, folder: Path, name: str) -> None:
        np.save(folder / f"{name}_starts.npy", self.starts)
        np.save(folder / f"{name}_values.npy", self.values)

    @classmethod
    def load(cls, folder: Path, name: str) -> Ragged:
        return cls(
            np.load(folder / f"{name}_starts.npy", mmap_mode="r", allow_pickle=False),
            np.load(folder / f"{name}_values.npy", mmap_mode="r", allow_pickle=False),
        )
