"""Log-probabilities and entropies of chosen tokens from hidden states, without ever holding all logits in float32.

The output matrix of a small model is a quarter of its work and its logits most of its memory. Rows go through it in
pieces; the backward pass takes the logits that were kept, in the model's number format, or computes them again where
they would not fit `keep_bytes`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_PIECE_NUMBERS = 2**24
"""Logits of a piece: 64 MiB in float32."""
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
        bias: ``(V,)``, a constant.
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
            rows = max(1, _PIECE_NUMBERS // weight.shape[0])
            wanted = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
            keep = wanted and len(hidden) * weight.shape[0] * hidden.element_size() <= keep_bytes
            logprobs = hidden.new_empty(len(hidden), dtype=torch.float32)
            entropies, norms = torch.empty_like(logprobs), torch.empty_like(logprobs)
            kept = []
            for start in range(0, len(hidden), rows):
                piece = slice(start, start + rows)
                raw = _logits(hidden[piece], weight, bias)
                logits = raw.float() / temperature
                norm = logits.logsumexp(dim=-1)
                norms[piece] = norm
                logprobs[piece] = logits.gather(-1, tokens[piece, None]).squeeze(-1) - norm
                entropies[piece] = norm - (logits.sub(norm[:, None]).exp_().mul_(logits)).sum(dim=-1)
                if keep:
                    kept.append(raw)
            ctx.save_for_backward(hidden, weight, bias, tokens, norms, entropies, *kept)
            ctx.temperature, ctx.rows = temperature, rows
            return logprobs, entropies

        @staticmethod
        def backward(ctx: Any, grad_logprobs: torch.Tensor, grad_entropies: torch.Tensor) -> tuple[Any, ...]:
            hidden, weight, bias, tokens, norms, entropies, *kept = ctx.saved_tensors
            grad_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
            grad_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
            with_entropy = bool(grad_entropies.any())
            for number, start in enumerate(range(0, len(hidden), ctx.rows)):
                piece = slice(start, start + ctx.rows)
                raw = kept[number] if kept else _logits(hidden[piece], weight, bias)
                log_p = (raw.float() / ctx.temperature).sub_(norms[piece, None])
                p = log_p.exp()
                # d logprob / d logits = onehot - p;  d entropy / d logits = -p (log p + entropy)
                scale = -grad_logprobs[piece, None]
                if with_entropy:
                    scale = scale - grad_entropies[piece, None] * (log_p + entropies[piece, None])
                grad = p.mul_(scale)
                grad[torch.arange(len(grad), device=grad.device), tokens[piece]] += grad_logprobs[piece]
                grad = grad.div_(ctx.temperature).to(hidden.dtype)
                if grad_hidden is not None:
                    grad_hidden[piece] = grad @ weight
                if grad_weight is not None:
                    grad_weight += grad.T @ hidden[piece]
            grad_w = None if grad_weight is None else grad_weight.to(weight.dtype)
            return grad_hidden, grad_w, None, None, None, None

    return ChosenLogprobs


def _logits(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    logits = hidden @ weight.T
    return logits if bias is None else logits + bias
