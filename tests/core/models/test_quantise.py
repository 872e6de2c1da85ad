"""8-bit weights on the CPU against the product they stand for."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import tiny_adapters as tiny
import torch

from core.errors import InputError, ModelNotAvailable
from core.models import AdapterSet, Placement, load_causal, lora_config
from core.models import int8 as int8_module
from core.models import quantise as quantise_module
from core.models.int8 import Int8Linear
from core.models.quantise import possible_quantisations, quantise, weight_bytes


@pytest.fixture(params=["as it is", "torch"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "torch":
        monkeypatch.setattr(int8_module, "kernel", lambda: "torch")
    return request.param


def layer(outputs: int = 48, inputs: int = 64) -> torch.nn.Linear:
    torch.manual_seed(0)
    linear = torch.nn.Linear(inputs, outputs)
    linear.weight.data[3] = 0
    return linear


def stands_for(linear: torch.nn.Linear) -> torch.Tensor:
    """The weights that 8 bits leave, computed entry by entry."""
    rows = []
    for row in linear.weight.data.double():
        step = row.abs().max() / 127
        rows.append(row if step == 0 else torch.stack([torch.round(value / step) * step for value in row]))
    return torch.stack(rows)


@torch.inference_mode()
def test_the_product_is_that_of_the_rounded_weights(kernel) -> None:
    linear = layer()
    fast = Int8Linear(linear.weight, linear.bias)
    x = torch.randn(2, 5, 64) * torch.tensor([1e-4, 1.0, 50.0, 1.0, 0.0])[None, :, None]
    x[0, 1, 7] = 3000.0  # one input that is far larger than the rest
    expected = x.double() @ stands_for(linear).T + linear.bias.double()
    allowed = x.abs().amax(-1, keepdim=True).double() / 127 / 254 * stands_for(linear).abs().sum(1)  # half of it, twice
    error = (fast(x).double() - expected).abs()
    assert (error <= allowed + 1e-5 * expected.abs() + 1e-6).all()
    assert fast(x[:, 4]).isfinite().all()
    assert torch.equal(fast.weight.double() * fast.scale[:, None].double(), fast.weight * fast.scale[:, None].double())
    assert ((fast.weight * fast.scale[:, None]).double() - stands_for(linear)).abs().max() < 1e-6


@torch.inference_mode()
def test_a_row_does_not_depend_on_the_batch(kernel) -> None:
    fast = Int8Linear(layer().weight, None)
    x = torch.randn(70, 64)
    together = fast(x)
    torch.testing.assert_close(torch.cat([fast(row[None]) for row in x]), together, rtol=0, atol=1e-6)
    assert fast(x.bfloat16()).dtype == torch.bfloat16


@torch.inference_mode()
def test_both_kernels_give_the_same(monkeypatch) -> None:
    linear, x = layer(), torch.randn(33, 64) * 10
    as_it_is = Int8Linear(linear.weight, linear.bias)(x)
    monkeypatch.setattr(int8_module, "kernel", lambda: "torch")
    torch.testing.assert_close(Int8Linear(linear.weight, linear.bias)(x), as_it_is, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2", "t5"])
def test_a_whole_model_says_nearly_the_same_in_fewer_bytes(family) -> None:
    loaded = tiny.build(family)
    exact, before = tiny.outputs(loaded), weight_bytes(loaded.model)
    done = quantise(loaded.model, "int8", "cpu")
    assert (done.bytes_before, done.bytes_after) == (before, weight_bytes(loaded.model))
    assert done.bytes_after < before and "lm_head" in done.kept and str(done).startswith("int8 by ")
    assert done.layers == sum(isinstance(module, Int8Linear) for module in loaded.model.modules())
    difference = (tiny.outputs(loaded) - exact).norm() / exact.norm()
    assert 0 < difference < 0.05


def test_adapters_work_on_8_bits_and_training_does_not(tmp_path) -> None:
    plain = tiny.build("qwen2")
    adapters = AdapterSet(plain)
    tiny.trained(adapters, "a")
    adapters.use("a")
    exact = tiny.outputs(plain)
    adapters.save("a", tmp_path / "a", tiny.card_for(plain, "a"))
    fresh = tiny.build("qwen2")
    loaded = dataclasses.replace(fresh, quantised=quantise(fresh.model, "int8", "cpu"))
    bare = tiny.outputs(loaded)
    adapters = AdapterSet(loaded)
    with pytest.raises(InputError, match="cannot be trained"):
        adapters.create("b", lora_config(loaded.model))
    adapters.attach(tmp_path / "a")
    adapters.use("a")
    assert (tiny.outputs(loaded) - exact).norm() / exact.norm() < 0.05 < (bare - exact).norm() / exact.norm()
    adapters.detach("a")
    assert torch.equal(tiny.outputs(loaded), bare)
    loaded.model(input_ids=torch.arange(5)[None])  # nothing asks for gradients, so it runs outside `no_grad` too
    with pytest.raises(InputError, match="cannot be trained here"):
        loaded.model(inputs_embeds=torch.randn(1, 3, 32, requires_grad=True))


def test_what_cannot_be_is_refused_with_the_reason(monkeypatch) -> None:
    model = tiny.build("llama").model
    kept = copy.deepcopy(model.state_dict())
    for kind, device, reason in (
        ("int3", "cpu", "no quantisation 'int3'"),
        ("int4", "cpu", "none for CPUs"),
        ("int8", "mps", "none for the device 'mps'"),
        ("int4", "cuda", "torchao"),
    ):
        monkeypatch.setattr(quantise_module.importlib.util, "find_spec", lambda name: None)
        with pytest.raises((InputError, ModelNotAvailable), match=reason):
            quantise(model, kind, device)
    assert all(torch.equal(value, kept[key]) for key, value in model.state_dict().items())
    assert possible_quantisations("cpu")["int8"] == ""
    with pytest.raises(ModelNotAvailable, match="none for CPUs"):
        load_causal("no-such-model", placement=Placement("cpu", "float32", ""), quantisation="int4")


@pytest.mark.model("smollm2-135m")
def test_a_real_model_keeps_what_it_says() -> None:
    placement = Placement("cpu", "bfloat16", "as measured")
    exact = load_causal("smollm2-135m", placement=Placement("cpu", "float32", "the reference"))
    fewer = load_causal("smollm2-135m", placement=placement, quantisation="int8")
    assert fewer.quantised is not None and fewer.quantised.bytes_after < 0.65 * fewer.quantised.bytes_before
    text = "The bank raised its rates because prices rose faster than the bank had expected a year ago."
    ids = exact.tokenizer(text, return_tensors="pt").input_ids
    with torch.inference_mode():
        wanted, found = (model.model(input_ids=ids).logits.float().log_softmax(-1) for model in (exact, fewer))
    following = ids[:, 1:, None]
    difference = (wanted[:, :-1].gather(-1, following) - found[:, :-1].gather(-1, following)).abs().mean()
    assert difference < 0.3  # measured: 0.08 on average over 280 places
