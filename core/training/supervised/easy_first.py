"""Easy before hard: batches in the order of `core.training.data.curriculum`, by length, by annotation, or by what a
model finds hard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.inference.rollout import evaluation_mode
from core.training.data.batches import BucketedBatches, PackedBatches
from core.training.data.curriculum import curriculum, given_difficulties
from core.training.data.records import Record
from core.training.supervised.objective import Objective
from core.training.supervised.seq2seq import Seq2SeqBatches

Hardness = Literal["length", "difficulty", "loss"]
Ordered = TypeVar("Ordered", PackedBatches, BucketedBatches, Seq2SeqBatches)


def easy_first(batches: Ordered, hardness: npt.ArrayLike, *, epochs: int = 1) -> Ordered:
    """The same batches from easy to hard for `epochs` epochs, then in random order.

    Bucketed batches keep that order, and pad more for it.

    Args:
        hardness: one number an item (a row, for packed batches).
    """
    items = items_of(batches)
    if len(np.atleast_1d(np.asarray(hardness))) != items:
        raise InputError(f"There are {items} items and hardness for {np.size(hardness)}.")
    return _in(batches, curriculum(hardness, seed=batches.seed, epochs=epochs))


def items_of(batches: PackedBatches | BucketedBatches | Seq2SeqBatches) -> int:
    """How many rows or sequences there are."""
    if isinstance(batches, PackedBatches):
        return len(batches.rows)
    return len(batches.sequences if isinstance(batches, BucketedBatches) else batches.sources)


def lengths(batches: PackedBatches | BucketedBatches | Seq2SeqBatches) -> npt.NDArray[np.float64]:
    """Tokens of each item; of a packed row the mean of its documents."""
    if isinstance(batches, PackedBatches):
        return batches.rows.row_values(np.array([len(ids) for ids in batches.rows.ids], dtype=np.float64))
    if isinstance(batches, BucketedBatches):
        return np.array([len(ids) for ids in batches.sequences], dtype=np.float64)
    pairs = zip(batches.sources, batches.targets, strict=True)
    return np.array([len(source) + len(target) for source, target in pairs], dtype=np.float64)


def difficulties(batches: Ordered, records: Sequence[Record]) -> npt.NDArray[np.float64]:
    """The annotated difficulty of each item; of a packed row the mean of its documents.

    Args:
        records: those the documents or sequences were made of, in order.
    """
    values = given_difficulties(records)
    return batches.rows.row_values(values) if isinstance(batches, PackedBatches) else values


def item_losses(model: Any, objective: Objective, batches: Ordered, *, device: str = "cpu") -> npt.NDArray[np.float64]:
    """The mean loss of each item under the model as it is, 0 for an item without targets."""
    import torch

    count = items_of(batches)
    in_order = _in(batches, lambda _: np.arange(count))
    found: list[float] = []
    with torch.no_grad(), evaluation_mode(model):
        for number in range(len(in_order)):
            batch = in_order.batch(0, number)
            for row in range(len(batch["input_ids"])):
                tally = objective.tally(model, {key: value[row : row + 1].to(device) for key, value in batch.items()})
                found.append(float(tally.loss) / tally.targets if tally.targets else 0.0)
    return np.array(found)


def _in(batches: Ordered, order: Any) -> Ordered:
    if isinstance(batches, BucketedBatches):
        return replace(batches, order=order, pool_batches=1)
    return replace(batches, order=order)
