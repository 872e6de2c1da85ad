"""Log-probabilities and entropies of chosen tokens from hidden states, without ever holding all logits in float32.

The output matrix of a small model is a quarter of its work and its logits most of its memory. They are made in the
model's number format and turned into probabilities in place, a few rows at a time in float32, so that the passes over
them stay in the processor's cache; the backward pass takes the probabilities that were kept, or computes them again
where they would not fit `keep_bytes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_PIECE_NUMBERS = 2**22
"""Logits made at a time where they are not kept."""
_BLOCK_NUMBERS = 2**18
"""Numbers gone through at a time on a CPU: 1 MiB of float32, half of a usual core's own cache."""
KEEP_BYTES = 2**29


def chosen_logprobs(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    tokens: torch.Tensor,
    *,
    bias: torch.Tensor | None = None,
    temperature: float = 1.0,
    keep_bytes: int = KEEP_BYTES,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Of tokens chosen after hidden states: log-probabilities and the entropies of the distributions they come from.

    Args:
        hidden: ``(N, H)``, in the model's number format.
        weight: ``(V, H)`` output matrix; gets a gradient where it requires one.
        tokens: ``(N,)`` chosen ids.
        bias: ``(V,)``; gets a gradient where it requires one.
        temperature: of the distribution the tokens were drawn from.

    Returns:
        ``(N,)`` float32 each; both can be differentiated, once.
    """
    logprobs, entropies = _function().apply(hidden, weight, bias, tokens, temperature, keep_bytes)
    return logprobs, entropies


@cache
def _function() -> Any:
    """The autograd function, made on first use: torch is not imported for a `--help`."""
    import torch

    class ChosenLogprobs(torch.autograd.Function):
        @staticmethod
        def forward(
            ctx: Any,
            hidden: torch.Tensor,
            weight: torch.Tensor,
            bias: torch.Tensor | None,
            tokens: torch.Tensor,
            temperature: float,
            keep_bytes: int,
        ) -> tuple[torch.Tensor, torch.Tensor]:
            count, words = len(hidden), weight.shape[0]
            wanted = any(ctx.needs_input_grad[:3])
            keep = wanted and count * words * hidden.element_size() <= keep_bytes
            kept = hidden.new_empty(count, words) if keep else None
            logprobs, entropies = (hidden.new_empty(count, dtype=torch.float32) for _ in range(2))
            for piece in _slices(count, max(1, _PIECE_NUMBERS // words) if kept is None else count):
                logits = torch.mm(hidden[piece], weight.T, out=None if kept is None else kept[piece])
                logprobs[piece], entropies[piece] = _soften(logits, bias, temperature, tokens[piece], keep)
            ctx.save_for_backward(hidden, weight, bias, tokens, entropies, kept)
            ctx.temperature = temperature
            return logprobs, entropies

        @staticmethod
        def backward(ctx: Any, grad_logprobs: torch.Tensor, grad_entropies: torch.Tensor) -> tuple[Any, ...]:
            hidden, weight, bias, tokens, entropies, kept = ctx.saved_tensors
            count, words = len(hidden), weight.shape[0]
            grad_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
            grad_weight: torch.Tensor | None = None
            grad_bias = bias.new_zeros(bias.shape, dtype=torch.float32) if ctx.needs_input_grad[2] else None
            with_entropy = bool(grad_entropies.any())
            for piece in _slices(count, max(1, _PIECE_NUMBERS // words) if kept is None else count):
                if kept is None:
                    p = torch.mm(hidden[piece], weight.T)
                    _soften(p, bias, ctx.temperature, tokens[piece], True)
                else:
                    p = kept[piece]  # changed in place: torch refuses a second backward pass
                by_entropy = (grad_entropies[piece], entropies[piece]) if with_entropy else None
                grad = _to_gradient(p, tokens[piece], grad_logprobs[piece], by_entropy, ctx.temperature)
                if grad_hidden is not None:
                    grad_hidden[piece] = grad @ weight
                if ctx.needs_input_grad[1]:
                    part = grad.T @ hidden[piece]
                    grad_weight = part if grad_weight is None else grad_weight.float().add_(part)
                if grad_bias is not None:
                    grad_bias += grad.sum(dim=0, dtype=torch.float32)
            grad_w = None if grad_weight is None else grad_weight.to(weight.dtype)
            grad_b = None if grad_bias is None else grad_bias.to(bias.dtype)
            return grad_hidden, grad_w, grad_b, None, None, None

    return ChosenLogprobs


def _slices(count: int, rows: int) -> Iterator[slice]:
    return (slice(start, start + rows) for start in range(0, count, max(1, rows)))


def _blocks(table: torch.Tensor) -> Iterator[slice]:
    """Rows of ``(n, V)`` to go through together."""
    numbers = _BLOCK_NUMBERS if table.device.type == "cpu" else _PIECE_NUMBERS
    return _slices(len(table), max(1, numbers // table.shape[1]))


def _soften(
    logits: torch.Tensor, bias: torch.Tensor | None, temperature: float, tokens: torch.Tensor, keep: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """``(n,)`` log-probabilities and entropies of ``(n, V)`` logits, which become probabilities where `keep`."""
    import torch

    logprobs, entropies = (logits.new_empty(len(logits), dtype=torch.float32) for _ in range(2))
    for block in _blocks(logits):
        shifted = logits[block].to(torch.float32, copy=True)
        if bias is not None:
            shifted += bias
        if temperature != 1:
            shifted /= temperature
        shifted -= shifted.amax(dim=-1, keepdim=True)
        weights = shifted.exp()
        total = weights.sum(dim=-1)
        chosen = shifted.gather(-1, tokens[block, None]).squeeze(-1)
        logprobs[block] = chosen - total.log()
        entropies[block] = total.log() - shifted.mul_(weights).sum(dim=-1) / total
        if keep:
            logits[block] = weights.div_(total[:, None])
    return logprobs, entropies


def _to_gradient(
    p: torch.Tensor,
    tokens: torch.Tensor,
    grad_logprobs: torch.Tensor,
    by_entropy: tuple[torch.Tensor, torch.Tensor] | None,
    temperature: float,
) -> torch.Tensor:
    """``(n, V)`` gradients of the logits, in the place of their probabilities.

    d logprob / d logits = onehot - p;  d entropy / d logits = -p (log p + entropy). `by_entropy` is the gradient of the
    entropies and these themselves.
    """
    import torch

    for block in _blocks(p):
        scale = (-grad_logprobs[block, None] / temperature).to(p.dtype)
        if by_entropy is not None:
            grad_entropies, entropies = (each[block, None] for each in by_entropy)
            log_p = p[block].float().clamp_min(torch.finfo(torch.float32).tiny).log_()
            scale = scale - (grad_entropies * (log_p + entropies) / temperature).to(p.dtype)
        p[block] *= scale
    p[torch.arange(len(p), device=p.device), tokens] += (grad_logprobs / temperature).to(p.dtype)
    return p
