"""The fast way for a GPU: prompts are read as `SharedPrefixForward` reads them, texts are written by recorded steps.

Without a record the processor takes longer to launch the kernels of a step of a small model than the GPU to run them.
The price is that every row holds its prompt's keys and values itself: where these do not fit, and for a second batch at
the same time, rows are those of the shared-prefix way.
"""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from core.inference.rows import Prefix
from core.inference.shared_prefix import SharedPrefixContinuation, SharedPrefixForward
from core.inference.static_rows import StaticRows, columns_capacity, room_bytes, rows_capacity
from core.inference.static_runs import Runner, WeightsInForce

if TYPE_CHECKING:
    import torch

    from core.inference.forward import JoinableContinuation
    from core.inference.rows import KeysValues

_ROOM_BYTES = 2**32
"""Keys and values at most: twice what the engine lets a batch have, as sizes are rounded up."""


class StaticForward(SharedPrefixForward):
    """See `core.inference.forward.Forward`.

    Args:
        turn: held while the model runs, by whoever runs it; can be entered again inside.
        runner: runs or records the steps.
        name: of the model, for warnings.

    Attributes:
        failure: why it goes the shared-prefix way from now on; empty while nothing went wrong.
    """

    def __init__(self, model: Any, device: str, turn: Any = None, *, runner: Runner, name: str) -> None:
        super().__init__(model, device, turn or cast(Any, threading.RLock()))
        self.failure = ""
        self._name = name
        self._runner = runner
        self._weights: WeightsInForce | None = None
        self._room: StaticRows | None = None
        self._taken = False
        self._lease = threading.Lock()

    def continuation(self, prefix: Prefix, group: Sequence[int], logits: torch.Tensor) -> JoinableContinuation:
        """See `SharedPrefixForward.continuation`."""
        with self._lease:
            if not self._taken and not self.failure:
                try:
                    self._look_at_weights()
                    columns = max(prefix.lengths) + 1
                    room = self.room(len(group), columns, prefix.layers, logits.shape[1])
                    if room is not None:
                        rows = StaticContinuation(self, room, prefix, group, logits)
                        self._taken = True
                        weakref.finalize(rows, self._give_back).atexit = False
                        return rows
                except RuntimeError as error:
                    self.turn_off(error)
        return super().continuation(prefix, group, logits)

    def room(self, rows: int, columns: int, like: Sequence[KeysValues], vocabulary: int) -> StaticRows | None:
        """The room there is if it is large enough, else a new one; None if that would take too many bytes."""
        rows, columns = rows_capacity(rows), columns_capacity(columns)
        old = self._room
        if old is not None and old.rows >= rows and old.columns >= columns:
            return old
        larger = (max(rows, old.rows), max(columns, old.columns)) if old else (rows, columns)
        size = next((size for size in (larger, (rows, columns)) if room_bytes(like, *size) <= _ROOM_BYTES), None)
        if size is None:
            return None
        old = self._room = None  # rows that are still there have it
        self._runner.forget()
        self._room = StaticRows(like, vocabulary, *size)
        return self._room

    def step(
        self, rows: StaticRows, slots: Sequence[int], tokens: Sequence[int], positions: Sequence[int]
    ) -> torch.Tensor:
        """Run a step; returns what comes next in each of `slots`, ``(B, V)`` float32."""
        import torch

        assert self._weights is not None
        with self._turn, torch.inference_mode():
            rows.put(slots, tokens, positions)
            self._runner.run((rows.window, self._weights.switches()), lambda: self._step(rows))
            return rows.logits[torch.tensor(list(slots), device=self.device)]

    def turn_off(self, error: RuntimeError) -> None:
        """Go the shared-prefix way from now on, with a warning."""
        self.failure = f"{type(error).__name__}: {error}".splitlines()[0]
        self._room = self._weights = None
        self._runner.forget()
        warnings.warn(f"'{self._name}' is run without recorded steps: {self.failure}.", RuntimeWarning, stacklevel=2)

    def _step(self, rows: StaticRows) -> None:
        """Everything that is recorded: it reads and writes buffers of `rows`, and has the window's shapes."""
        rows.logits[: rows.window[0]] = self.run(rows, rows.tokens, keep=1)[:, 0]

    def _look_at_weights(self) -> None:
        with self._turn:
            weights = WeightsInForce.of(self._model)
            if self._weights is None or weights.mark != self._weights.mark:
                self._runner.forget()
            self._weights = weights

    def _give_back(self) -> None:
        self._taken = False


class StaticContinuation:
    """See `core.inference.forward.JoinableContinuation`."""

    def __init__(
        self, forward: StaticForward, rows: StaticRows, prefix: Prefix, group: Sequence[int], logits: torch.Tensor
    ) -> None:
        self._forward, self._rows = forward, rows
        self._slots = rows.arrange([None] * len(group), max(prefix.lengths) + 1)
        self._lengths = [prefix.lengths[prompt] for prompt in group]
        self._instead: SharedPrefixContinuation | None = None
        rows.write(self._slots, prefix, group)
        self.logits = logits[list(group)]

    def advance(self, tokens: Sequence[int], rows: Sequence[int]) -> None:
        """Go on with `rows`, in this order, the i-th of them with `tokens[i]` appended."""
        if self._instead is None:
            # What the rows are is set last: until then those of before can go on another way.
            lengths = [self._lengths[row] for row in rows]
            try:
                slots = self._arranged([self._slots[row] for row in rows], max(lengths) + 1)
                if slots is not None:
                    self.logits = self._forward.step(self._rows, slots, tokens, lengths)
                    self._slots, self._lengths = slots, [length + 1 for length in lengths]
                    return
            except RuntimeError as error:
                self._forward.turn_off(error)
        rest = self._go_over()
        rest.advance(tokens, rows)
        self.logits = rest.logits

    def join(self, prefix: Prefix, logits: torch.Tensor, group: Sequence[int]) -> None:
        """See `SharedPrefixContinuation.join`."""
        import torch

        if self._instead is None:
            try:
                columns = max(*self._lengths, *prefix.lengths) + 1
                slots = self._arranged([*self._slots, *[None] * len(group)], columns)
                if slots is not None:
                    self._rows.write(slots[len(self._slots) :], prefix, group)
                    self._slots = slots
                    self._lengths += [prefix.lengths[prompt] for prompt in group]
                    self.logits = torch.cat([self.logits, logits[list(group)]])
                    return
            except RuntimeError as error:
                self._forward.turn_off(error)
        rest = self._go_over()
        rest.join(prefix, logits, group)
        self.logits = rest.logits

    def _arranged(self, slots: Sequence[int | None], columns: int) -> list[int] | None:
        """New slots of the rows, in more room where they need it; None if there is none."""
        room = self._forward.room(len(slots), columns, self._rows.layers, self._rows.logits.shape[1])
        if room is None:
            return None
        if room is not self._rows:
            room.take_over(self._rows)
            self._rows = room
        return room.arrange(slots, columns)

    def _go_over(self) -> SharedPrefixContinuation:
        """From now on the rows are those of the shared-prefix way; what they hold stays where it is."""
        if self._instead is None:
            prefix = self._rows.as_prefix(self._slots, self._lengths)
            self._instead = SharedPrefixContinuation(self._forward, prefix, self._slots, self.logits)
        return self._instead
