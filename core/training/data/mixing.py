"""Several tasks in one run: task i gets a share p_i in proportion to n_i^(1/T) of its n_i examples.

T = 1 samples in proportion to size, larger T evens the tasks out (Raffel et al. 2020, "T5", section 3.5.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.training.data.batches import Batches, check_index
from core.training.data.draws import generator

if TYPE_CHECKING:
    import torch


def mixing_shares(sizes: Sequence[int], temperature: float) -> npt.NDArray[np.float64]:
    """Shares that sum to 1. Raises `InputError` for an empty task or a temperature of 0 or less."""
    if not sizes or min(sizes) < 1:
        raise InputError("A task to be mixed has no batch.", hint="Leave it out.")
    if not temperature > 0:
        raise InputError(f"A mixing temperature of {temperature:g} is not above 0.", hint="1 mixes by size.")
    logs = np.log(np.asarray(sizes, dtype=np.float64)) / temperature
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


def quotas(shares: npt.NDArray[np.float64], total: int) -> npt.NDArray[np.int64]:
    """`total` steps dealt out by `shares`: rounded down, the rest to the largest remainders, and at least one each.

    Raises:
        InputError: fewer steps than tasks.
    """
    if total < len(shares):
        raise InputError(f"{total} steps cannot hold {len(shares)} tasks.", hint="Use more steps an epoch.")
    exact = shares / shares.sum() * total
    given: npt.NDArray[np.int64] = np.floor(exact).astype(np.int64)
    given[np.argsort(given - exact, kind="stable")[: total - given.sum()]] += 1
    for task in np.flatnonzero(given == 0):
        given[np.argmax(given)] -= 1
        given[task] = 1
    return given


@dataclass(frozen=True, slots=True, eq=False)
class MixedBatches:
    """Batches of several tasks, each batch of one task; a batch also has `task` ``()``, the number of its task.

    An epoch is as many batches as the tasks have together. A task that gets more than it has goes through its own
    epochs faster, one that gets fewer goes on in the next epoch where it stopped.
    """

    tasks: Mapping[str, Batches]
    seed: int
    temperature: float = 1.0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.tasks)

    def __len__(self) -> int:
        return sum(len(task) for task in self.tasks.values())

    def shares(self) -> npt.NDArray[np.int64]:
        """Batches of each task in an epoch."""
        return quotas(mixing_shares([len(task) for task in self.tasks.values()], self.temperature), len(self))

    def plan(self, epoch: int) -> npt.NDArray[np.int64]:
        """The task of each batch of `epoch`."""
        return generator(self.seed, "mix", epoch).permutation(np.repeat(np.arange(len(self.tasks)), self.shares()))

    def batch(self, epoch: int, index: int) -> dict[str, torch.Tensor]:
        import torch

        check_index(index, len(self))
        plan = self.plan(epoch)
        number = int(plan[index])
        name = self.names[number]
        task = self.tasks[name]
        met = int(np.count_nonzero(plan[:index] == number)) + epoch * int(self.shares()[number])
        own_epoch, own_index = divmod(met, len(task))
        return {**task.batch(own_epoch, own_index), "task": torch.tensor(number)}
