"""Attention over short rows in bfloat16 on a CPU: carried out in float32.

torch's kernel for bfloat16 is made for long rows. With the backward pass it takes 2.2 times as long as float32's for 16
rows of 87 tokens, 1.5 times for 8 of 174, as long for 5 of 261 (6 heads of width 64, one core with AMX). The result is
the more exact one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_NAME = "trivium_short_rows"
_LONGEST = 256


@contextlib.contextmanager
def fastest_attention(model: Any, tokens: torch.Tensor) -> Iterator[None]:
    """While it lasts, `model` attends in float32 where that is faster for ``(S, L)`` tokens and it would use `sdpa`."""
    config = model.config.get_text_config(decoder=True)
    own = config._attn_implementation
    short = tokens.device.type == "cpu" and tokens.shape[1] < _LONGEST and str(model.dtype) == "torch.bfloat16"
    if not short or own != "sdpa":
        yield
        return
    config._attn_implementation = _registered()
    try:
        yield
    finally:
        config._attn_implementation = own


@cache
def _registered() -> str:
    from transformers import AttentionInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    def attend(
        module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, **more: Any
    ) -> tuple[torch.Tensor, None]:
        output, _ = sdpa_attention_forward(module, query.float(), key.float(), value.float(), mask, **more)
        return output.to(query.dtype), None

    AttentionInterface.register(_NAME, attend)
    return _NAME
