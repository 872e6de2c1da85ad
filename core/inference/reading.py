"""Prompts read piece by piece, so that others' texts go on in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.inference.rows import Prefix, SharedPrefixRows
from core.inference.shared_prefix import SharedPrefixForward

if TYPE_CHECKING:
    import torch

    from core.inference.forward import JoinableContinuation


class PromptReading:
    """Prompts on their way into the cache.

    Several prompts are read in one piece (`SharedPrefixForward.prefill`), a single one in as many as are asked for:
    each piece sees the keys and values of those before it, so the result is the same but for rounding.
    """

    def __init__(self, forward: SharedPrefixForward, prompts: Sequence[list[int]]) -> None:
        self._forward = forward
        self._prompts = list(prompts)
        self._read = 0
        self._rows: SharedPrefixRows | None = None
        self._result: tuple[Prefix, torch.Tensor] | None = None

    @property
    def tokens_left(self) -> int:
        """Tokens that have not been read."""
        return 0 if self._result else sum(map(len, self._prompts)) - self._read

    def read(self, tokens: int) -> bool:
        """Read `tokens` more; true when everything has been read."""
        import torch

        if self._read == 0 and (len(self._prompts) > 1 or self.tokens_left <= tokens):
            self._result = self._forward.prefill(self._prompts)
        elif self.tokens_left:
            (prompt,) = self._prompts
            if self._rows is None:
                self._rows = SharedPrefixRows(None, [0], columns=len(prompt), device=self._forward.device)
            piece = prompt[self._read : self._read + tokens]
            logits = self._forward.run(self._rows, torch.tensor([piece], device=self._forward.device), keep=1)[:, 0]
            self._read += len(piece)
            if self._read == len(prompt):
                self._result = self._rows.as_prefix([len(prompt)]), logits
        return self._result is not None

    def result(self) -> tuple[Prefix, torch.Tensor]:
        """Keys and values of the prompts, and what follows each, ``(U, V)`` float32; only when all has been read."""
        assert self._result is not None
        return self._result

    def continuation(self, group: Sequence[int]) -> JoinableContinuation:
        """Rows that go on, the i-th with prompt `group[i]`."""
        prefix, logits = self.result()
        return self._forward.continuation(prefix, group, logits)
