"""Linear layers with 8-bit weights on a CPU.

Weights are rounded to 8 bits with a scale for each output channel. Inputs are rounded anew for each token, to 16 bits
written as two 8-bit numbers: x ≈ s (a + b / 254) with s = max |x| / 127. Both go through one product of integers, so
the weights are read once. With 8 bits alone (dynamic quantisation as torch has it) a few large inputs take the whole
range and the rest is rounded away: Dettmers et al. 2022, "LLM.int8()", section 3.

A token's result does not depend on the others in the batch, and integer sums are exact in any order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from core.errors import InputError
from core.models.hardware import cpu_flags

if TYPE_CHECKING:
    from torch import Tensor

_FINE = 254.0
"""A remainder is at most half a step; this makes it at most 127."""
_TINY = 1e-20


class Int8Linear(torch.nn.Linear):
    """Takes the place of a `torch.nn.Linear` or of GPT-2's `Conv1D`; for inference on a CPU."""

    def __init__(self, weight: Tensor, bias: Any) -> None:
        """`weight`: ``(out, in)``; `bias`: the layer's own parameter, or None."""
        torch.nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        wide = weight.detach().float().contiguous()  # oneDNN packs what lies in memory, whatever the strides
        self.scale = (wide.abs().amax(dim=1) / 127).clamp_min(_TINY)  # (out,)
        rounded = (wide / self.scale[:, None]).round().to(torch.int8)
        self._packed: Any = torch.ops.onednn.qlinear_prepack(rounded, None) if kernel() == "oneDNN" else None
        self._plain = None if self._packed is not None else rounded
        self._zeros = torch.zeros(self.out_features, dtype=torch.int64)
        self.bias = bias

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The 8-bit numbers ``(out, in)``; times `scale` they are the weights. A copy, where oneDNN packed them."""
        if self._plain is not None:
            return self._plain
        unpacked: Tensor = self._packed.to_dense().t()
        return unpacked

    @property
    def nbytes(self) -> int:
        """Bytes of weights, scales and zero points, without the bias."""
        return self.out_features * self.in_features + self.scale.nbytes + self._zeros.nbytes

    def forward(self, input: Tensor) -> Tensor:
        """``(…, in)`` to ``(…, out)``. Raises `InputError` where gradients are wanted: integers have none."""
        if torch.is_grad_enabled() and input.requires_grad:
            raise InputError(
                "A model with 8-bit weights cannot be trained here.", hint="Load it without quantisation to train."
            )
        rows = input.reshape(-1, self.in_features).float()  # (M, in)
        steps = (rows.abs().amax(dim=1, keepdim=True) / 127).clamp_min_(_TINY)  # (M, 1)
        scaled = rows / steps
        coarse = scaled.round()
        fine = scaled.sub_(coarse).mul_(_FINE).round_()
        products = self._times(torch.cat([coarse, fine]).to(torch.int8))  # (2M, out)
        count = len(rows)
        result = products[:count].add_(products[count:], alpha=1 / _FINE).mul_(steps)
        if self.bias is not None:
            result += self.bias
        return result.to(input.dtype).view(*input.shape[:-1], self.out_features)

    def _times(self, numbers: Tensor) -> Tensor:
        """Whole numbers ``(M, in)`` times the weights, ``(M, out)`` float32."""
        if self._plain is not None:
            return torch._int_mm(numbers, self._plain.t()).float().mul_(self.scale)
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            numbers, 1.0, 0, self._packed, self.scale, self._zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
        return product


def kernel() -> str:
    """What multiplies 8-bit numbers on this CPU: "oneDNN", or "torch" (slower) where oneDNN could overflow."""
    flags = cpu_flags() & {"avx512_vnni", "avx_vnni", "amx_int8"}  # older ones add pairs in 16 bits, which overflow
    return "oneDNN" if flags and hasattr(torch.ops.onednn, "qlinear_prepack") else "torch"
