"""The state of rows that run through a causal model together: shared prompts, keys and values of their own.

`SharedPrefixRows` takes the place of transformers' cache, and of its attention while a forward pass of ours runs. Its
buffers are allocated ahead, so a step writes one column and copies nothing; the last row takes the place of one that
leaves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.inference.attention import attend_to_all, attend_to_shared, make_grid

if TYPE_CHECKING:
    import torch

    KeysValues = tuple[torch.Tensor, torch.Tensor]

_STALE = 64
"""Columns that belong to rows long gone are dropped when there are so many: a copy, so not each time."""
_SPARSE = 0.75
"""Prompts nobody continues any more are dropped when fewer than this share is left: a copy, so not each time."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """Keys and values of U prompts, padded on the right to the longest.

    Attributes:
        layers: for each layer ``(U, Hkv, P, D)`` keys and values.
        lengths: real tokens of each prompt.
    """

    layers: list[KeysValues]
    lengths: list[int]

    def select(self, prompts: Sequence[int]) -> Prefix:
        """The prompts of these numbers, in their order."""
        import torch

        lengths = [self.lengths[prompt] for prompt in prompts]
        index = torch.tensor(list(prompts), device=self.layers[0][0].device)
        kept = [tuple(part[index, :, : max(lengths)] for part in layer) for layer in self.layers]
        return Prefix([(keys, values) for keys, values in kept], lengths)

    def joined(self, other: Prefix) -> Prefix:
        """These prompts, then those of `other`."""
        import torch

        lengths = [*self.lengths, *other.lengths]
        layers = []
        for mine, theirs in zip(self.layers, other.layers, strict=True):
            parts = []
            for one, two in zip(mine, theirs, strict=True):
                room = torch.zeros(
                    (len(lengths), one.shape[1], max(lengths), one.shape[3]), dtype=one.dtype, device=one.device
                )
                room[: len(one), :, : one.shape[2]] = one
                room[len(one) :, :, : two.shape[2]] = two
                parts.append(room)
            layers.append((parts[0], parts[1]))
        return Prefix(layers, lengths)

    def padding(self) -> torch.Tensor | None:
        """``(U, 1, 1, P)`` boolean, true where a column is padding; None without padding."""
        import torch

        keys = self.layers[0][0]
        if min(self.lengths) == keys.shape[2]:
            return None
        columns = torch.arange(keys.shape[2], device=keys.device)
        lengths = torch.tensor(self.lengths, device=keys.device)
        return (columns >= lengths[:, None])[:, None, None]


class SharedPrefixRows:
    """Rows `0 … B-1`; row i continues prompt `group[i]` of `prefix` (none: the rows are prompts themselves).

    Args:
        columns: tokens of their own the rows have room for; more is made when it is needed.
    """

    def __init__(self, prefix: Prefix | None, group: Sequence[int], *, columns: int, device: str) -> None:
        self._prefix = prefix
        self._device = device
        self._own: list[KeysValues] = []  # each layer: (capacity, Hkv, columns, D)
        self._room = columns
        self._filled = 0  # columns that hold something
        self._step = 0  # columns that the forward pass under way adds
        self._first = [0] * len(group)  # each row's first column; those before it are from before it joined
        self._own_bias: torch.Tensor | None = None  # (B, 1, 1, filled), added to scores
        self._set_group(list(group))

    def __len__(self) -> int:
        return len(self._group)

    def begin(self, step: int) -> torch.Tensor:
        """Make room for `step` tokens a row, right before the forward pass; returns their positions ``(B, step)``."""
        import torch

        self._filled += step
        self._step = step
        if self._filled > self._room:
            self._grow(max(self._filled, 2 * self._room))
        lengths = [self._prefix.lengths[prompt] if self._prefix else 0 for prompt in self._group]
        self._own_bias = None
        if any(self._first):
            first = torch.tensor(self._first, device=self._device)[:, None]
            columns = torch.arange(self._filled, device=self._device)
            bias = torch.zeros(len(self), self._filled, device=self._device).masked_fill(columns < first, -math.inf)
            self._own_bias = bias[:, None, None]
        added = self._filled - step
        before = [length + added - first for length, first in zip(lengths, self._first, strict=True)]
        return torch.tensor(before, device=self._device)[:, None] + torch.arange(step, device=self._device)

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What a model's attention calls with new ``(B, Hkv, T, D)``, layer by layer."""
        if layer_idx == len(self._own):
            shapes = [(len(self), part.shape[1], self._room, part.shape[3]) for part in (keys, values)]
            self._own.append((keys.new_empty(shapes[0]), values.new_empty(shapes[1])))
        start = self._filled - self._step
        for buffer, part in zip(self._own[layer_idx], (keys, values), strict=True):
            buffer[: len(self), :, start : self._filled] = part
        return keys, values

    def get_seq_length(self, _layer_idx: int = 0) -> int:
        """Tokens before this step, as transformers asks; positions are always given, so it decides nothing."""
        return self._filled - self._step

    def attend(self, layer: int, query: torch.Tensor, *, scaling: float, softcap: float | None) -> torch.Tensor:
        """``(B, H, T, Dv)`` for `query` ``(B, H, T, D)`` of the step under way."""
        import torch

        own_keys, own_values = self.own(layer)
        if self._prefix is None:
            mask = None if self._filled == self._step else self._own_causal_mask(query.shape[2])
            return attend_to_all(query, own_keys, own_values, mask, scaling=scaling, softcap=softcap)
        prefix = self._prefix.layers[layer]
        if query.shape[2] == 1:
            return attend_to_shared(
                query,
                prefix,
                self._bias,
                (own_keys, own_values),
                self._own_bias,
                self._grid,
                scaling=scaling,
                softcap=softcap,
            )
        keys = torch.cat([prefix[0][self._index], own_keys], dim=2)
        values = torch.cat([prefix[1][self._index], own_values], dim=2)
        mask = self._causal_mask(query.shape[2])
        return attend_to_all(query, keys, values, mask, scaling=scaling, softcap=softcap)

    def own(self, layer: int) -> KeysValues:
        """Views ``(B, Hkv, filled, D)`` of what the rows have added."""
        keys, values = self._own[layer]
        return keys[: len(self), :, : self._filled], values[: len(self), :, : self._filled]

    @property
    def layers(self) -> int:
        """Layers that have run."""
        return len(self._own)

    def as_prefix(self, lengths: Sequence[int]) -> Prefix:
        """The rows' own keys and values as prompts of these lengths."""
        return Prefix([self.own(layer) for layer in range(self.layers)], list(lengths))

    def select(self, rows: Sequence[int]) -> None:
        """Go on with these rows in this order; one may leave, or come more than once."""
        import torch

        moved = [place for place, row in enumerate(rows) if place != row]
        with torch.inference_mode():
            if len(rows) > len(self) and self._own and len(rows) > self._own[0][0].shape[0]:
                index = torch.tensor(list(rows), device=self._device)
                self._own = [(keys[index], values[index]) for keys, values in self._own]
            elif moved:
                target = torch.tensor(moved, device=self._device)
                source = torch.tensor([rows[place] for place in moved], device=self._device)
                for layer in self._own:
                    for buffer in layer:
                        buffer[target, :, : self._filled] = buffer[source, :, : self._filled]
        self._first = [self._first[row] for row in rows]
        self._set_group([self._group[row] for row in rows])
        if min(self._first, default=0) >= _STALE:
            self._drop_columns(min(self._first))

    def join(self, prefix: Prefix, group: Sequence[int]) -> None:
        """Add rows that begin now, after the others; the i-th of them continues prompt `group[i]` of `prefix`."""
        import torch

        assert self._prefix is not None
        count, size = len(self), len(self) + len(group)
        with torch.inference_mode():
            if self._own and self._own[0][0].shape[0] < size:
                self._own = [
                    (_with_rows(keys, count, 2 * size), _with_rows(values, count, 2 * size))
                    for keys, values in self._own
                ]
            for layer in self._own:
                for buffer in layer:  # what is masked must be finite all the same
                    buffer[count:size, :, : self._filled] = 0
            before = len(self._prefix.lengths)
            self._prefix = self._prefix.joined(prefix)
        self._first += [self._filled] * len(group)
        self._set_group([*self._group, *[before + prompt for prompt in group]])

    def _drop_columns(self, count: int) -> None:
        import torch

        with torch.inference_mode():
            for layer in self._own:
                for buffer in layer:
                    buffer[:, :, : self._filled - count] = buffer[:, :, count : self._filled].clone()
        self._filled -= count
        self._first = [first - count for first in self._first]

    def _set_group(self, group: list[int]) -> None:
        import torch

        if self._prefix is not None:
            used = sorted(set(group))
            if len(used) < _SPARSE * len(self._prefix.lengths):
                with torch.inference_mode():
                    self._prefix = self._prefix.select(used)
                numbers = {prompt: number for number, prompt in enumerate(used)}
                group = [numbers[prompt] for prompt in group]
        self._group = group
        self._index = torch.tensor(group, device=self._device)
        self._padding = self._prefix.padding() if self._prefix else None
        self._bias: torch.Tensor | None = None  # (U, 1, 1, P), added to scores
        if self._padding is not None:
            self._bias = torch.zeros_like(self._padding, dtype=torch.float32).masked_fill(self._padding, -math.inf)
        self._grid = make_grid(group, len(self._prefix.lengths), self._device) if self._prefix else None

    def _grow(self, columns: int) -> None:
        start = self._filled - self._step
        grown = []
        for layer in self._own:
            buffers = []
            for buffer in layer:
                larger = buffer.new_empty((*buffer.shape[:2], columns, buffer.shape[3]))
                larger[:, :, :start] = buffer[:, :, :start]
                buffers.append(larger)
            grown.append((buffers[0], buffers[1]))
        self._own, self._room = grown, columns

    def _own_causal_mask(self, step: int) -> torch.Tensor:
        """``(step, filled)`` boolean, true where a new token may look at what its row has added."""
        import torch

        return torch.ones(step, self._filled, dtype=torch.bool, device=self._device).tril(self._filled - step)

    def _causal_mask(self, step: int) -> torch.Tensor:
        """``(1 or B, 1, step, P + filled)`` boolean, true where a new token may look."""
        import torch

        assert self._prefix is not None
        own = self._own_causal_mask(step)
        if self._padding is None:
            prefix = own.new_ones(1, 1, step, self._prefix.layers[0][0].shape[2])
        else:
            prefix = ~self._padding[self._index].expand(-1, 1, step, -1)
        return torch.cat([prefix, own.expand(prefix.shape[0], 1, -1, -1)], dim=-1)


def _with_rows(buffer: torch.Tensor, rows: int, capacity: int) -> torch.Tensor:
    """The first rows of `buffer` in a larger one."""
    larger = buffer.new_empty((capacity, *buffer.shape[1:]))
    larger[:rows] = buffer[:rows]
    return larger
