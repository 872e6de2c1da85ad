"""Packing: several short documents in one row, none of which sees another.

Rows are filled by first-fit decreasing: the longest document first, each into the first row with room. Its rows number
at most 11/9 of the best possible plus 6/9 (Dósa 2007, "The tight bound of first fit decreasing"). Positions restart in
every document and `block_causal_mask` keeps attention inside it, so the loss of a document is what it would be alone.
Long texts for causal pretraining are cut into full blocks instead (`causal_blocks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from core.errors import InputError

if TYPE_CHECKING:
    import torch

UNTRAINED = -100
"""The label of a token without a loss, as `torch.nn.functional.cross_entropy` has it."""
Ids = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


def first_fit_decreasing(lengths: Sequence[int] | npt.NDArray[np.int64], capacity: int) -> list[list[int]]:
    """Which items go into each bin of `capacity`. Ties in length keep the order given; O(n log n).

    Raises:
        InputError: an item is empty or longer than `capacity`.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    if len(sizes) and (sizes.min() < 1 or sizes.max() > capacity):
        raise InputError(f"A document of {sizes.max()} tokens does not fit a row of {capacity}.", hint="Cut it first.")
    leaves = 1 << max(len(sizes) - 1, 0).bit_length()
    room = [capacity] * (2 * leaves)  # a binary tree: room[node] is the largest room below the node
    bins: list[list[int]] = []
    for item in np.argsort(-sizes, kind="stable").tolist():
        size, node = int(sizes[item]), 1
        while node < leaves:
            node = 2 * node if room[2 * node] >= size else 2 * node + 1
        number = node - leaves
        if number == len(bins):
            bins.append([])
        bins[number].append(item)
        room[node] -= size
        while node > 1:
            node //= 2
            room[node] = max(room[2 * node], room[2 * node + 1])
    return bins


@dataclass(frozen=True, slots=True, eq=False)
class PackedRows:
    """Documents and which of them share a row.

    Attributes:
        ids: token ids of each document.
        trained: for each document, which tokens are answers to be learnt.
        rows: for each row, its documents.
        max_tokens: width of a row.
        pad_id: fills the rest of a row.
    """

    ids: Sequence[Ids]
    trained: Sequence[Mask]
    rows: tuple[tuple[int, ...], ...]
    max_tokens: int
    pad_id: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def fill(self) -> float:
        """Share of places that hold a token."""
        used = sum(len(self.ids[document]) for row in self.rows for document in row)
        return used / (len(self.rows) * self.max_tokens) if self.rows else 0.0

    def row_values(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The mean over each row's documents of a value per document, e.g. a difficulty for a curriculum."""
        return np.array([values[list(row)].mean() for row in self.rows])

    def arrays(self, chosen: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.int64]]:
        """Rows `chosen` as arrays ``(B, T)``, T being the longest of them: see `PackedBatches`.

        The first token of a document has no label: HuggingFace's loss shifts by one, and it would be predicted from
        the document before it.
        """
        width = max(sum(len(self.ids[document]) for document in self.rows[row]) for row in chosen)
        shape = (len(chosen), width)
        ids = np.full(shape, self.pad_id, dtype=np.int64)
        positions, segments = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        labels = np.full(shape, UNTRAINED, dtype=np.int64)
        for place, row in enumerate(chosen):
            start = 0
            for segment, document in enumerate(self.rows[row], start=1):
                length = len(self.ids[document])
                where = slice(start, start + length)
                ids[place, where] = self.ids[document]
                positions[place, where] = np.arange(length)
                segments[place, where] = segment
                learnt = np.asarray(self.trained[document], dtype=bool).copy()
                learnt[0] = False
                labels[place, where] = np.where(learnt, self.ids[document], UNTRAINED)
                start += length
        return {"input_ids": ids, "position_ids": positions, "segment_ids": segments, "labels": labels}


def pack(ids: Sequence[Ids], trained: Sequence[Mask], max_tokens: int, *, pad_id: int = 0) -> PackedRows:
    """Documents packed into rows of at most `max_tokens`. Raises `InputError` for one that is longer or empty."""
    rows = first_fit_decreasing([len(document) for document in ids], max_tokens)
    return PackedRows(ids, trained, tuple(map(tuple, rows)), max_tokens, pad_id)


def causal_blocks(ids: Sequence[Ids], end_id: int, max_tokens: int, *, pad_id: int = 0) -> PackedRows:
    """Texts for causal pretraining: each followed by `end_id`, cut into pieces of at most `max_tokens`, and packed.

    Unlike the common cut of one endless stream, a block sees no other text; a text longer than a block goes on in
    another. Every token is learnt but the first of each piece.
    """
    if max_tokens < 2:
        raise InputError("A block has at least two tokens.", hint="Raise max_tokens.")
    pieces: list[Ids] = []
    for document in ids:
        whole = np.append(np.asarray(document, dtype=np.int32), np.int32(end_id))
        pieces += [whole[at : at + max_tokens] for at in range(0, len(whole), max_tokens)]
    pieces = [piece for piece in pieces if len(piece) > 1]  # a lone end mark has nothing to be predicted from
    return pack(pieces, [np.ones(len(piece), dtype=bool) for piece in pieces], max_tokens, pad_id=pad_id)


def block_causal_mask(segments: torch.Tensor) -> torch.Tensor:
    """``(B, T)`` segment ids to ``(B, 1, T, T)``: true where the query may see the key.

    A token sees itself and what precedes it in its own document. Padding sees itself alone, so that its softmax is
    defined.
    """
    import torch

    length = segments.shape[1]
    same = segments[:, :, None] == segments[:, None, :]  # (B, T, T)
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    itself = torch.eye(length, dtype=torch.bool, device=segments.device)
    return ((same & causal & (segments != 0)[:, :, None]) | itself)[:, None]


def additive_mask(allowed: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A mask of booleans as the numbers eager attention adds to its scores: 0, or the least `dtype` has."""
    import torch

    least = torch.full((), torch.finfo(dtype).min, dtype=dtype, device=allowed.device)
    return torch.where(allowed, torch.zeros((), dtype=dtype, device=allowed.device), least)
