"""Permutation language modelling: tokens predicted in a random order, each from those before it in that order.

Yang et al. 2019, "XLNet", run two streams through a model made for it: the query stream knows a place but not what
stands there. Standard encoders and decoders have one stream, so both are written into one sequence: first the text,
then one mask token for each place to be predicted, with that place's position id (Bao et al. 2020, "UniLMv2", section
3.2, call it pseudo-masking). An explicit attention mask does the rest: text sees text that is not later in the order, a
mask token sees text that is earlier, and itself. Any model that takes a mask of shape ``(B, 1, T, T)`` and position ids
can run it, a causal decoder included, since the mask replaces its own. What differs from XLNet: the query stream begins
with the embedding of the mask token, and a query also sees itself, which holds nothing but its place.

As in XLNet, only the last of the order is predicted (one token in six), since the first have too little to go by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from core.training.data.batches import check_index, shuffled
from core.training.data.draws import generator
from core.training.data.packing import UNTRAINED, Ids

if TYPE_CHECKING:
    import torch

PREDICTED_SHARE = 1 / 6


@dataclass(frozen=True, slots=True, eq=False)
class PermutedExample:
    """A text of n tokens followed by m mask tokens.

    Attributes:
        ids, positions, labels: ``(n + m,)``; labels are at the mask tokens, unshifted.
        allowed: ``(n + m, n + m)`` true where a token (row) may see a token (column).
        rank: ``(n,)`` each token's place in the order.
    """

    ids: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    allowed: npt.NDArray[np.bool_]
    rank: npt.NDArray[np.int64]


def permuted_example(
    ids: Ids,
    fixed: npt.NDArray[np.bool_],
    mask_id: int,
    *,
    seed: int,
    epoch: int,
    item: int,
    share: float = PREDICTED_SHARE,
) -> PermutedExample:
    """The example of text `item` in `epoch`.

    Args:
        fixed: ``(n,)`` true for special tokens: they come first in the order, see each other, and are not predicted.
        share: of the other tokens, how many are predicted, rounded, and at least one.
    """
    length = len(ids)
    free = np.flatnonzero(~fixed)
    order = generator(seed, "permutation", epoch, item).permutation(free)
    rank = np.zeros(length, dtype=np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    predicted = order[len(order) - max(1, round(share * len(order))) :] if len(order) else order
    targets = np.sort(predicted)
    count = len(targets)
    allowed = np.zeros((length + count, length + count), dtype=bool)
    allowed[:length, :length] = rank[None, :] <= rank[:, None]
    allowed[length:, :length] = rank[None, :] < rank[targets][:, None]
    allowed[length:, length:] = np.eye(count, dtype=bool)
    labels = np.full(length + count, UNTRAINED, dtype=np.int64)
    labels[length:] = ids[targets]
    return PermutedExample(
        ids=np.concatenate([np.asarray(ids, dtype=np.int64), np.full(count, mask_id, dtype=np.int64)]),
        positions=np.concatenate([np.arange(length), targets]),
        labels=labels,
        allowed=allowed,
        rank=rank,
    )


@dataclass(frozen=True, slots=True, eq=False)
class PermutedBatches:
    """Batches of permuted examples; every epoch has another order for each text.

    A batch has `input_ids`, `position_ids` and `labels` ``(B, T)`` and `attention_mask` ``(B, 1, T, T)`` of booleans.
    Labels stand where the model's own output is read, so the loss must not shift them. Positions count from 0; models
    that begin elsewhere (RoBERTa: its padding id plus one) need that added.

    Args:
        fixed: for each text, which of its tokens are special.
    """

    ids: Sequence[Ids]
    fixed: Sequence[npt.NDArray[np.bool_]]
    mask_id: int
    batch_size: int
    seed: int
    pad_id: int = 0

    def __len__(self) -> int:
        return -(-len(self.ids) // self.batch_size)

    def batch(self, epoch: int, index: int) -> dict[str, torch.Tensor]:
        import torch

        check_index(index, len(self))
        chosen = shuffled(len(self.ids), self.seed, epoch)[index * self.batch_size : (index + 1) * self.batch_size]
        examples = [
            permuted_example(self.ids[i], self.fixed[i], self.mask_id, seed=self.seed, epoch=epoch, item=int(i))
            for i in chosen
        ]
        width = max(len(example.ids) for example in examples)
        shape = (len(examples), width)
        ids, positions = np.full(shape, self.pad_id, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        labels = np.full(shape, UNTRAINED, dtype=np.int64)
        allowed = np.broadcast_to(
            np.eye(width, dtype=bool), (len(examples), width, width)
        ).copy()  # padding sees itself
        for row, example in enumerate(examples):
            length = len(example.ids)
            ids[row, :length], positions[row, :length] = example.ids, example.positions
            labels[row, :length] = example.labels
            allowed[row, :length, :length] = example.allowed
        arrays = {"input_ids": ids, "position_ids": positions, "labels": labels, "attention_mask": allowed[:, None]}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}
