from __future__ import annotations

from collections.abc import Callable

import torch

from core.models.loading import LoadedModel
from core.training.short_attention import fastest_attention


def test_short_rows_attend_more_exactly_and_with_gradients(tiny: Callable[..., LoadedModel]) -> None:
    model = tiny("qwen2").model
    tokens = torch.randint(250, (3, 12), generator=torch.Generator().manual_seed(0))
    exact = model(tokens).logits.detach()
    model.to(torch.bfloat16)
    plain = model(tokens).logits
    with fastest_attention(model, tokens):
        assert model.config._attn_implementation != "sdpa"
        found = model(tokens).logits
    assert model.config._attn_implementation == "sdpa"
    errors = [float((one.detach() - exact).abs().mean()) for one in (found, plain)]
    assert errors[0] < 1.1 * errors[1]
    found.float().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_long_rows_and_float32_are_left_alone(tiny: Callable[..., LoadedModel]) -> None:
    model = tiny("qwen2").model
    with fastest_attention(model, torch.zeros(1, 12)):
        assert model.config._attn_implementation == "sdpa"
    model.to(torch.bfloat16)
    with fastest_attention(model, torch.zeros(1, 400)):
        assert model.config._attn_implementation == "sdpa"
