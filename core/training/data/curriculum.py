"""Curricula: easy before hard, by length, a given difficulty, or the loss of a model.

Bengio et al. 2009, "Curriculum learning". Items are sorted into stages of equal size; within a stage the order is
random, so that batches are not all alike. After `epochs` epochs the order is random throughout.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.training.data.batches import Order, shuffled
from core.training.data.draws import generator
from core.training.data.records import Record

STAGES = 10


def curriculum(hardness: npt.ArrayLike, *, seed: int, epochs: int = 1, stages: int = STAGES) -> Order:
    """An order of the items for each epoch, for the `order` of `PackedBatches` and `BucketedBatches`.

    Args:
        hardness: ``(n,)`` larger is harder: lengths, difficulties, losses.
        epochs: how many go from easy to hard.

    Raises:
        InputError: a hardness is not a finite number (a NaN loss, say, has no place in any order).
    """
    values = np.asarray(hardness, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise InputError("A curriculum needs one number an item.")
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise InputError(
            f"The hardness of item {wrong[0]} is {values[wrong[0]]} ({len(wrong)} such items).",
            hint="Leave these items out, or give them a number.",
        )
    if epochs < 0 or stages < 1:
        raise InputError("A curriculum has at least one stage and no negative number of epochs.")
    return lambda epoch: _order(values, seed, epoch, epochs, stages)


def _order(values: npt.NDArray[np.float64], seed: int, epoch: int, epochs: int, stages: int) -> npt.NDArray[np.int64]:
    mixed = shuffled(len(values), seed, epoch)
    if epoch >= epochs:
        return mixed
    ranked = mixed[np.argsort(values[mixed], kind="stable")]  # ties in random order
    draw = generator(seed, "stages", epoch)
    return np.concatenate([draw.permutation(stage) for stage in np.array_split(ranked, stages)])


def given_difficulties(records: Sequence[Record]) -> npt.NDArray[np.float64]:
    """The annotated difficulty of each record. Raises `InputError` naming the first without one."""
    missing = [record for record in records if record.difficulty is None]
    if missing:
        raise InputError(
            f"The record {missing[0].id} has no difficulty ({len(missing)} such records).",
            hint="Annotate them in the field 'difficulty', or order by length or loss.",
        )
    return np.array([record.difficulty for record in records], dtype=np.float64)
