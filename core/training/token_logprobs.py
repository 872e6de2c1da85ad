"""Log-probabilities and entropies of chosen tokens from hidden states, without ever holding all logits in float32.

The output matrix of a small model is a quarter of its work and its logits most of its memory. Rows go through it in
pieces; the backward pass takes the probabilities that were kept, in the model's number format, or computes them again
where they would not fit `keep_bytes`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_PIECE_NUMBERS = 2**22
"""Logits of a piece: 16 MiB in float32, of which several copies should fit the processor's cache."""
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
        ``(N,)`` float32 each; both can be differentiated.
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
            rows = max(1, _PIECE_NUMBERS // words)
            wanted = any(ctx.needs_input_grad[:3])
            keep = wanted and count * words * hidden.element_size() <= keep_bytes
            kept = hidden.new_empty(count, words) if keep else None
            logprobs, entropies = (hidden.new_empty(count, dtype=torch.float32) for _ in range(2))
            for start in range(0, count, rows):
                piece = slice(start, start + rows)
                logits = _logits(hidden[piece], weight, bias, temperature)
                chosen = logits.gather(-1, tokens[piece, None]).squeeze(-1)
                highest = logits.amax(dim=-1, keepdim=True)
                weights = logits.sub(highest).exp_()
                total = weights.sum(dim=-1)
                norm = total.log() + highest.squeeze(-1)
                logprobs[piece] = chosen - norm
                entropies[piece] = norm - torch.linalg.vecdot(weights, logits) / total
                if kept is not None:
                    torch.div(weights, total[:, None], out=weights)
                    kept[piece] = weights
            ctx.save_for_backward(hidden, weight, bias, tokens, entropies, kept)
            ctx.temperature, ctx.rows = temperature, rows
            return logprobs, entropies

        @staticmethod
        def backward(ctx: Any, grad_logprobs: torch.Tensor, grad_entropies: torch.Tensor) -> tuple[Any, ...]:
            hidden, weight, bias, tokens, entropies, kept = ctx.saved_tensors
            rows = ctx.rows if kept is None else len(hidden)
            grad_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
            grad_weight: torch.Tensor | None = None
            grad_bias = bias.new_zeros(bias.shape, dtype=torch.float32) if ctx.needs_input_grad[2] else None
            with_entropy = bool(grad_entropies.any())
            for start in range(0, len(hidden), rows):
                piece = slice(start, start + rows)
                p = kept if kept is not None else _logits(hidden[piece], weight, bias, ctx.temperature).softmax(dim=-1)
                # d logprob / d logits = onehot - p;  d entropy / d logits = -p (log p + entropy)
                scale = (-grad_logprobs[piece, None] / ctx.temperature).to(p.dtype)
                if with_entropy:
                    log_p = p.float().clamp_min(torch.finfo(torch.float32).tiny).log_()
                    spread = grad_entropies[piece, None] * (log_p + entropies[piece, None]) / ctx.temperature
                    scale = scale - spread.to(p.dtype)
                grad = (p * scale).to(hidden.dtype)
                places = torch.arange(len(grad), device=grad.device), tokens[piece]
                grad[places] += (grad_logprobs[piece] / ctx.temperature).to(grad.dtype)
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


def _logits(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, temperature: float) -> torch.Tensor:
    """``(n, V)`` float32."""
    logits = (hidden @ weight.T).float()
    if bias is not None:
        logits += bias
    return logits if temperature == 1 else logits.div_(temperature)
