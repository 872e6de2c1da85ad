from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from core.models.hardware import Placement
from core.models.loading import LoadedModel
from core.training.memory import kept_bytes_per_token
from core.training.narrow_casts import NarrowCasts, narrow_casts
from core.training.policy import adapted_policy

TOKENS = torch.arange(40, 104).reshape(2, 32)


def in_bfloat16(loaded: LoadedModel) -> LoadedModel:
    loaded.model.to(torch.bfloat16)
    return replace(loaded, placement=Placement("cpu", "bfloat16", "by the test"))


def gradients(model: torch.nn.Module, *, narrow: bool) -> dict[str, torch.Tensor]:
    if narrow:
        with narrow_casts():
            states = model.base_model(input_ids=TOKENS, use_cache=False).last_hidden_state
    else:
        states = model.base_model(input_ids=TOKENS, use_cache=False).last_hidden_state
    states.float().square().sum().backward()
    found = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("name", ["qwen2", "gpt2"])
def test_gradients_are_the_same_to_the_bit(name: str, whole: bool, tiny: Callable[..., LoadedModel]) -> None:
    loaded = in_bfloat16(tiny(name))
    model, in_force = loaded.model, contextlib.nullcontext()
    if not whole:
        policy = adapted_policy(loaded, seed=0, rank=2)
        in_force = policy.in_force()
        assert {one.dtype for one in policy.parameters.values()} == {torch.float32}
        with torch.no_grad():
            for one in policy.parameters.values():
                one.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    with in_force:
        expected = gradients(model, narrow=False)
        found = gradients(model, narrow=True)
    assert found.keys() == expected.keys()
    assert len(found) > 4
    assert all(torch.equal(value, found[key]) for key, value in expected.items())


def test_a_cast_is_kept_once_and_comes_back_as_it_was() -> None:
    states = torch.randn(3, 4, requires_grad=True).bfloat16() * 2
    wide, again = states.float(), states.float().view(12)
    casts = NarrowCasts()
    kept = [casts.keep(wide), casts.keep(again)]
    assert kept[0][0] is kept[1][0]
    assert kept[0][0].dtype == torch.bfloat16
    assert torch.equal(casts.widened(kept[0]), wide)
    assert torch.equal(casts.widened(kept[1]), again)


@pytest.mark.parametrize(
    "made",
    [
        lambda states: states.float() + 1e-4,
        lambda states: states.float().t(),
        lambda states: states.float()[:2],
        lambda states: states.double().float(),
        lambda states: states.float().detach(),
        lambda states: states,
    ],
)
def test_whatever_is_no_plain_cast_is_kept_as_it_is(made: Callable[[torch.Tensor], torch.Tensor]) -> None:
    tensor = made(torch.randn(4, 4, requires_grad=True).bfloat16() * 2)
    casts = NarrowCasts()
    kept = casts.keep(tensor)
    assert isinstance(kept, torch.Tensor)
    assert torch.equal(casts.widened(kept), tensor)


def test_an_adapter_in_float32_keeps_less(tiny: Callable[..., LoadedModel]) -> None:
    loaded = in_bfloat16(tiny())
    policy = adapted_policy(loaded, seed=0, rank=2)
    with policy.in_force():
        narrow = kept_bytes_per_token(loaded.model, "cpu")
        wide: dict[int, int] = {}
        own = {one.untyped_storage().data_ptr() for one in loaded.model.parameters()}

        def count(tensor: torch.Tensor) -> torch.Tensor:
            if tensor.untyped_storage().data_ptr() not in own:
                wide[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor.detach()

        ids = torch.zeros(1, 256, dtype=torch.long)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            output = loaded.model.base_model(input_ids=ids, use_cache=False)
    del output
    assert narrow < 0.8 * sum(wide.values()) / 256
