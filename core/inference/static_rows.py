"""Rows whose shapes do not depend on how far they are, so that a step can be recorded once and played again.

Each row has a slot and holds its whole text there, prompt included, from column 0 on. A step reads its tokens and
positions from buffers that stay where they are, works on a window of so many slots and columns (a few sizes only), and
sees what lies up to each row's position. Rows that leave are computed along until the window can be halved; nothing is
moved before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.inference.attention import attend_by_row
from core.inference.rows import Prefix

if TYPE_CHECKING:
    import torch

    from core.inference.rows import KeysValues

_LEAST_COLUMNS = 64


class StaticRows:
    """Room for rows; takes the place of transformers' cache, and of its attention, while a step runs.

    Args:
        like: keys and values of each layer ``(_, Hkv, _, D)`` whose heads, widths, number format and device to take.
        vocabulary: columns of `logits`.

    Attributes:
        layers: for each layer keys and values ``(rows, Hkv, columns, D)``.
        logits: ``(rows, vocabulary)`` float32, where a step leaves what comes next in each slot.
        window: slots and columns that a step works on.
    """

    def __init__(self, like: Sequence[KeysValues], vocabulary: int, rows: int, columns: int) -> None:
        import torch

        first = like[0][0]
        self.rows, self.columns = rows, columns
        self.window = (rows, columns)
        with torch.inference_mode():
            # Zeros, here and below: what is masked must be finite all the same.
            self.layers = [(_room(keys, rows, columns), _room(values, rows, columns)) for keys, values in like]
            self.logits = torch.zeros(rows, vocabulary, device=first.device)
            self._inputs = torch.zeros(2, rows, 1, dtype=torch.long, device=first.device)  # tokens, positions
            self._slots = torch.arange(rows, device=first.device)
            self._columns = torch.arange(columns, device=first.device)
            self._bias = torch.zeros(1, dtype=first.dtype, device=first.device)  # (R, 1, 1, C) during a step

    def arrange(self, slots: Sequence[int | None], columns: int) -> list[int]:
        """Choose the window for rows that are in `slots` now (None: a new one) and will reach `columns`.

        Returns:
            The slot of each row from now on.
        """
        import torch

        self.window = (rows_capacity(len(slots)), columns_capacity(columns))
        found, copies = arranged(slots, self.window[0])
        if copies:
            target, source = torch.tensor(copies, device=self.logits.device).T
            with torch.inference_mode():
                for buffer in self._buffers():
                    buffer[target] = buffer[source]
        return found

    def write(self, slots: Sequence[int], prefix: Prefix, group: Sequence[int]) -> None:
        """Put prompt `group[i]` of `prefix` into slot `slots[i]`."""
        import torch

        target = torch.tensor(list(slots), device=self.logits.device)
        source = torch.tensor(list(group), device=self.logits.device)
        parts = [part for layer in prefix.layers for part in layer]
        with torch.inference_mode():
            for buffer, part in zip(self._buffers(), parts, strict=True):
                buffer[target] = 0
                buffer[target, :, : part.shape[2]] = part[source]

    def take_over(self, other: StaticRows) -> None:
        """Everything that is in `other`, which has less room, into the same slots and columns."""
        import torch

        with torch.inference_mode():
            for buffer, old in zip(self._buffers(), other._buffers(), strict=True):
                buffer[: other.rows, :, : other.columns] = old

    def as_prefix(self, slots: Sequence[int], lengths: Sequence[int]) -> Prefix:
        """Views of the slots as prompts; those in `slots` have `lengths`, the others belong to nobody."""
        every = [1] * self.rows
        for slot, length in zip(slots, lengths, strict=True):
            every[slot] = length
        longest = max(every)
        return Prefix([(keys[:, :, :longest], values[:, :, :longest]) for keys, values in self.layers], every)

    def put(self, slots: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> None:
        """The next step's inputs, one a slot; slots that belong to nobody get token 0 at position 0."""
        import torch

        inputs = [[0] * self.window[0] for _ in range(2)]
        for slot, token, position in zip(slots, tokens, positions, strict=True):
            inputs[0][slot], inputs[1][slot] = token, position
        self._inputs[:, : self.window[0], 0] = torch.tensor(inputs, device=self.logits.device)

    @property
    def tokens(self) -> torch.Tensor:
        """``(R, 1)``: what a step reads."""
        return self._inputs[0, : self.window[0]]

    def begin(self, _step: int) -> torch.Tensor:
        """Begin a step; returns the positions ``(R, 1)``."""
        import torch

        rows, columns = self.window
        positions = self._inputs[1, :rows]
        later = self._columns[:columns] > positions  # (R, C)
        bias = torch.zeros(rows, columns, dtype=self._bias.dtype, device=self._bias.device)
        self._bias = bias.masked_fill(later, -math.inf)[:, None, None]
        return positions

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What a model's attention calls with new ``(R, Hkv, 1, D)``, layer by layer."""
        rows = self.window[0]
        for buffer, part in zip(self.layers[layer_idx], (keys, values), strict=True):
            buffer[self._slots[:rows], :, self._inputs[1, :rows, 0]] = part[:, :, 0]
        return keys, values

    def get_seq_length(self, _layer_idx: int = 0) -> int:
        """As transformers asks; positions are always given, so it decides nothing."""
        return 0

    def attend(self, layer: int, query: torch.Tensor, *, scaling: float, softcap: float | None) -> torch.Tensor:
        """``(R, H, 1, Dv)`` for `query` ``(R, H, 1, D)`` of the step under way."""
        rows, columns = self.window
        keys, values = (buffer[:rows, :, :columns] for buffer in self.layers[layer])
        return attend_by_row(query, keys, values, self._bias, scaling=scaling, softcap=softcap)

    def _buffers(self) -> list[torch.Tensor]:
        return [buffer for layer in self.layers for buffer in layer]


def rows_capacity(rows: int) -> int:
    """The window's slots for so many rows: a power of two."""
    return 1 << (rows - 1).bit_length()


def columns_capacity(columns: int) -> int:
    """The window's columns for texts so long: a power of two, or one and a half, so that at most a third is empty (more
    of the smallest window alone)."""
    power = max(_LEAST_COLUMNS, 1 << (columns - 1).bit_length())
    return 3 * power // 4 if columns <= 3 * power // 4 and power > _LEAST_COLUMNS else power


def room_bytes(like: Sequence[KeysValues], rows: int, columns: int) -> int:
    """Bytes of keys and values that `StaticRows` of this size take."""
    numbers = [(part.shape[1] * part.shape[3], part.element_size()) for layer in like for part in layer]
    return sum(rows * columns * count * size for count, size in numbers)


def arranged(slots: Sequence[int | None], capacity: int) -> tuple[list[int], list[tuple[int, int]]]:
    """A slot below `capacity` for each row, none twice, and what to copy for it: `(to, from)`.

    A row stays where it is if it can. Nothing is copied to where something is copied from.

    Args:
        slots: where each row is; a slot may come more than once, None is a new row.
    """
    taken = {slot for slot in slots if slot is not None and slot < capacity}
    free = iter([slot for slot in range(capacity) if slot not in taken])
    found: list[int] = []
    copies: list[tuple[int, int]] = []
    for slot in slots:
        if slot in taken:  # the first that is there
            taken.remove(slot)
            found.append(slot)
            continue
        found.append(next(free))
        if slot is not None:
            copies.append((found[-1], slot))
    return found, copies


def _room(like: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    return like.new_zeros((rows, like.shape[1], columns, like.shape[3]))
