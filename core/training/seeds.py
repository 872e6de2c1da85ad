"""Orders and random numbers fixed by a seed and by what they are for, so that training resumes as if never stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from core.seeds import derived_seed


def permutation(seed: int, count: int, *names: object) -> list[int]:
    """The numbers below `count` in an order fixed by `seed` and the names."""
    import numpy as np

    order: list[int] = np.random.Generator(np.random.PCG64(derived_seed(seed, *names))).permutation(count).tolist()
    return order


def drawn_without_return(seed: int, count: int, start: int, size: int) -> list[int]:
    """Places `start` to ``start + size`` of an endless list: all numbers below `count`, again and again, each time in
    another order fixed by `seed`."""
    orders: dict[int, list[int]] = {}
    drawn = []
    for place in range(start, start + size):
        epoch, index = divmod(place, count)
        if epoch not in orders:
            orders[epoch] = permutation(seed, count, "epoch", epoch)
        drawn.append(orders[epoch][index])
    return drawn


@contextlib.contextmanager
def seeded(seed: int, *names: object) -> Iterator[None]:
    """torch's random numbers fixed inside the block, and as they were after it."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, *names))
        yield
