"""What a model casts to float32 on the way is kept for the backward pass in the number format it came from.

A decoder in bfloat16 widens states in places (norms, adapters with float32 weights), and autograd keeps each wide copy.
A number that was bfloat16 comes back from bfloat16 as it was, so gradients are the same to the bit; what is computed
again is the cast. Copies of one tensor are kept once.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_CAST = "ToCopyBackward0"
_VIEWS = frozenset({"ViewBackward0", "UnsafeViewBackward0", "ReshapeAliasBackward0"})

Kept = Any
"""A tensor, or a narrow one and the shape and format that it is to have again."""


class NarrowCasts:
    """What autograd keeps of one forward pass: `keep` is given each tensor, `widened` gives it back."""

    def __init__(self) -> None:
        self._narrow: dict[tuple[Any, int], torch.Tensor] = {}

    def keep(self, tensor: torch.Tensor) -> Kept:
        """`tensor`, or what it was before it was cast to float32."""
        source = _cast_from(tensor)
        if source is None:
            return tensor.detach()
        node, place, dtype = source
        if (node, place) not in self._narrow:
            self._narrow[node, place] = tensor.detach().to(dtype)
        return self._narrow[node, place], tensor.shape, tensor.dtype

    @staticmethod
    def widened(kept: Kept) -> torch.Tensor:
        """The tensor that was kept."""
        if not isinstance(kept, tuple):
            return kept  # type: ignore[no-any-return]
        narrow, shape, dtype = kept
        return narrow.to(dtype).view(shape)  # type: ignore[no-any-return]


@contextlib.contextmanager
def narrow_casts() -> Iterator[None]:
    """Keep what is cast inside the block as said above. Inside checkpointed layers nothing is kept anyway."""
    import torch

    casts = NarrowCasts()
    with torch.autograd.graph.saved_tensors_hooks(casts.keep, casts.widened):
        yield


def _cast_from(tensor: torch.Tensor) -> tuple[Any, int, torch.dtype] | None:
    """Which output of which node `tensor`, in float32, was cast from, and its narrower format; None where it was not.

    A view with the same numbers in the same order counts as what it is of.
    """
    import torch

    node = tensor.grad_fn
    if node is None or tensor.dtype != torch.float32 or not tensor.is_contiguous():
        return None
    while node.name() in _VIEWS:
        node, place = node.next_functions[0]
        if node is None or math.prod(_made(node, place).shape) != tensor.numel():
            return None
    source, place = node.next_functions[0] if node.name() == _CAST else (None, 0)
    if source is None:
        return None
    dtype = _made(source, place).dtype
    return (source, place, dtype) if dtype in (torch.bfloat16, torch.float16) else None


def _made(node: Any, place: int) -> Any:
    """Shape and format of what `node` gave at `place`, which its gradient has, too."""
    return node._input_metadata[place]
