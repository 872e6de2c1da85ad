"""The last way to run a causal model: every text is read anew at each step.

For models whose cache transformers cannot take rows out of, or does not hand out at all. A text of T tokens costs T
times as much as with a cache; it is the model's own forward pass, so it is right whatever the model is made of.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.inference.decoding import token_logprobs

if TYPE_CHECKING:
    import torch


class UncachedForward:
    """See `core.inference.forward.Forward`. `turn` is held while the model runs."""

    def __init__(self, model: Any, device: str, turn: threading.Lock) -> None:
        self._model, self._device, self._turn = model, device, turn

    def start(self, prompts: Sequence[list[int]], copies: Sequence[int]) -> UncachedContinuation:
        """Rows for prompts, `copies[i]` rows for prompt i."""
        texts = [list(prompt) for prompt, count in zip(prompts, copies, strict=True) for _ in range(count)]
        return UncachedContinuation(self, texts)

    def score(self, pairs: Sequence[tuple[list[int], list[int]]]) -> list[list[float]]:
        """Log-probability of each token of the second of a pair, after the first."""
        import torch

        scores = []
        for prompt, continuation in pairs:
            with self._turn, torch.inference_mode():
                tokens = torch.tensor([[*prompt, *continuation]], device=self._device)
                logits = self._model(input_ids=tokens, use_cache=False).logits[0, len(prompt) - 1 : -1]
                scores.append(token_logprobs(logits, tokens[0, len(prompt) :]).tolist())
        return scores

    def logits(self, texts: Sequence[list[int]]) -> torch.Tensor:
        """What follows each text, ``(B, V)`` float32."""
        with self._turn:
            return last_logits(self._model, texts, self._device)


class UncachedContinuation:
    """See `core.inference.forward.Continuation`."""

    def __init__(self, forward: UncachedForward, texts: list[list[int]]) -> None:
        self._forward, self._texts = forward, texts
        self.logits = forward.logits(texts)

    def advance(self, tokens: Sequence[int], rows: Sequence[int]) -> None:
        """Go on with `rows`, in this order, the i-th of them with `tokens[i]` appended."""
        self._texts = [[*self._texts[row], token] for row, token in zip(rows, tokens, strict=True)]
        self.logits = self._forward.logits(self._texts)


def last_logits(model: Any, texts: Sequence[list[int]], device: str) -> torch.Tensor:
    """What the model itself says follows each text, ``(B, V)`` float32: padding on the right is never seen."""
    import torch

    longest = max(map(len, texts))
    tokens = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts], device=device)
    with torch.inference_mode():
        logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=False).logits
    found: torch.Tensor = logits[range(len(texts)), [len(text) - 1 for text in texts]].float()
    return found
