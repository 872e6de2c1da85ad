"""Batches for the training loop: what is in batch `index` of `epoch` is a function of (seed, epoch, index) alone.

There is no iterator to save: a run that was killed asks for the batch it died in. Orders are drawn by a generator
seeded with (seed, epoch); nothing depends on the batches asked for before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.training.data.draws import generator
from core.training.data.packing import UNTRAINED, PackedRows, block_causal_mask

if TYPE_CHECKING:
    import torch

Order = Callable[[int], npt.NDArray[np.int64]]
"""From an epoch to an order of the items: a permutation of range(n), e.g. by `curriculum_order`."""


class Batches(Protocol):
    """What a training loop asks of its data."""

    def __len__(self) -> int:
        """Batches in an epoch; the same in every epoch."""
        ...

    def batch(self, epoch: int, index: int) -> dict[str, torch.Tensor]:
        """Batch `index` (0 to len - 1) of `epoch` (from 0). Pure: the same arguments give the same tensors."""
        ...


def shuffled(items: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """A permutation of range(items), drawn from (seed, epoch)."""
    return generator(seed, "order", epoch).permutation(items)


def check_index(index: int, batches: int) -> None:
    """Raises `IndexError` outside the epoch: a negative index is no batch counted from the end."""
    if not 0 <= index < batches:
        raise IndexError(f"batch {index} of {batches}")


@dataclass(frozen=True, slots=True, eq=False)
class PackedBatches:
    """Packed rows, `rows_per_batch` at a time; the last batch of an epoch may be smaller.

    A batch has, all of shape ``(B, T)``: `input_ids`, `position_ids` (from 0 in each document), `segment_ids` (1, 2, …
    by document, 0 for padding), `labels` (`UNTRAINED` where there is no loss; HuggingFace's convention, so the loss
    shifts them by one), and `attention_mask` ``(B, 1, T, T)``, true where a query may see a key.
    """

    rows: PackedRows
    rows_per_batch: int
    seed: int
    order: Order | None = None

    def __post_init__(self) -> None:
        if self.rows_per_batch < 1:
            raise InputError("A batch has at least one row.", hint="Raise the number of rows a batch.")

    def __len__(self) -> int:
        return -(-len(self.rows) // self.rows_per_batch)

    def batch(self, epoch: int, index: int) -> dict[str, torch.Tensor]:
        import torch

        check_index(index, len(self))
        order = self.order(epoch) if self.order else shuffled(len(self.rows), self.seed, epoch)
        chosen = order[index * self.rows_per_batch : (index + 1) * self.rows_per_batch]
        arrays = self.rows.arrays(chosen)
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return {**tensors, "attention_mask": block_causal_mask(tensors["segment_ids"])}


@dataclass(frozen=True, slots=True, eq=False)
class BucketedBatches:
    """Sequences of about the same length side by side, so that little is padded.

    An epoch's order is cut into pools of `pool_batches` batches; each pool is sorted by length and cut into batches,
    and the batches are shuffled. `pool_batches=1` keeps the order itself. A batch has `input_ids`, `attention_mask` and
    `position_ids` ``(B, T)``, `labels` ``(B, T)`` of tokens, ``(B,)`` or ``(B, C)`` of sequences, and `items` ``(B,)``:
    which sequences they are. Padding is on the right.
    """

    sequences: Sequence[npt.NDArray[np.int32]]
    labels: Sequence[npt.NDArray[np.int64]] | npt.NDArray[np.int64]
    batch_size: int
    seed: int
    pad_id: int = 0
    pool_batches: int = 50
    order: Order | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.pool_batches < 1:
            raise InputError("A batch has at least one sequence, a pool at least one batch.")
        if len(self.labels) != len(self.sequences):
            raise InputError(f"There are {len(self.sequences)} sequences and labels for {len(self.labels)}.")

    def __len__(self) -> int:
        return -(-len(self.sequences) // self.batch_size)

    def batch(self, epoch: int, index: int) -> dict[str, torch.Tensor]:
        check_index(index, len(self))
        chosen = self.items(epoch)[index]
        return pad_batch(self.sequences, self.labels, chosen, self.pad_id)

    def items(self, epoch: int) -> list[npt.NDArray[np.int64]]:
        """Which sequences are in each batch of `epoch`."""
        order = self.order(epoch) if self.order else shuffled(len(self.sequences), self.seed, epoch)
        if self.pool_batches == 1:
            return [order[at : at + self.batch_size] for at in range(0, len(order), self.batch_size)]
        lengths = np.array([len(sequence) for sequence in self.sequences])
        pool = self.pool_batches * self.batch_size
        batches: list[npt.NDArray[np.int64]] = []
        for start in range(0, len(order), pool):
            members = order[start : start + pool]
            members = members[np.argsort(lengths[members], kind="stable")]
            cut = [members[at : at + self.batch_size] for at in range(0, len(members), self.batch_size)]
            turns = generator(self.seed, "pool", epoch, start).permutation(len(cut))
            batches += [cut[turn] for turn in turns]
        return batches


def pad_batch(
    sequences: Sequence[npt.NDArray[np.int32]],
    labels: Sequence[npt.NDArray[np.int64]] | npt.NDArray[np.int64],
    chosen: npt.NDArray[np.int64],
    pad_id: int,
) -> dict[str, torch.Tensor]:
    """The sequences `chosen`, padded on the right to the longest of them."""
    import torch

    width = max(len(sequences[item]) for item in chosen)
    ids = np.full((len(chosen), width), pad_id, dtype=np.int64)  # (B, T)
    mask = np.zeros((len(chosen), width), dtype=np.int64)
    many = isinstance(labels, np.ndarray) and labels.ndim == 2  # (n, C): any number of classes each
    by_token = not many and np.ndim(labels[int(chosen[0])]) > 0
    shape = np.shape(labels[int(chosen[0])]) if many else (width,) if by_token else ()
    targets = np.full((len(chosen), *shape), UNTRAINED, dtype=np.int64)
    for row, item in enumerate(chosen):
        length = len(sequences[item])
        ids[row, :length] = sequences[item]
        mask[row, :length] = 1
        if by_token:
            targets[row, :length] = labels[item]
        else:
            targets[row] = labels[item]
    positions = np.broadcast_to(np.arange(width), ids.shape) * mask
    arrays = {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "labels": targets, "items": chosen}
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
