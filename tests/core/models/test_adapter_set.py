"""Adapters at run time, on tiny models: what they change, and that nothing of them stays."""

from __future__ import annotations

import copy
import threading

import pytest
import tiny_adapters as tiny
import torch

from core.errors import InputError, ModelFileMismatch, UnknownName
from core.models import AdapterSet, lora_config
from core.models.adapter_config import linear_layers

FAMILIES = ("gpt2", "llama", "qwen2", "t5", "bert")


@pytest.fixture(params=FAMILIES)
def loaded(request: pytest.FixtureRequest):
    return tiny.build(request.param)


@pytest.fixture
def qwen():
    return tiny.build("qwen2")


def test_an_adapter_changes_the_output_as_the_merged_weights_do(loaded) -> None:
    bare = tiny.outputs(loaded)
    adapters = AdapterSet(loaded)
    tiny.trained(adapters, "a")
    assert torch.equal(tiny.outputs(loaded), bare)  # attached is not in force
    adapters.use("a")
    with_adapter = tiny.outputs(loaded)
    assert (with_adapter - bare).abs().max() > 0.01
    merged = copy.deepcopy(loaded.model)
    for module in merged.modules():
        if hasattr(module, "merge") and hasattr(module, "lora_A"):
            module.merge()
    other = type(loaded)(loaded.name, merged, None, loaded.placement, loaded.folder, loaded.fingerprint)
    assert (tiny.outputs(other) - with_adapter).abs().max() < 1e-5


def test_the_update_is_b_times_a_times_alpha_over_rank(qwen) -> None:
    adapters = AdapterSet(qwen)
    tiny.trained(adapters, "a", rank=4, alpha=12)
    layer = qwen.model.model.layers[0].self_attn.q_proj
    x = torch.randn(5, 32)
    a, b = layer.lora_A["adapter_a"].weight, layer.lora_B["adapter_a"].weight
    adapters.use("a")
    expected = x @ layer.base_layer.weight.T + layer.base_layer.bias + x @ a.T @ b.T * (12 / 4)
    torch.testing.assert_close(layer(x), expected)


def test_switching_and_taking_off_bring_back_the_very_bits(loaded) -> None:
    weights = {key: value.clone() for key, value in loaded.model.state_dict().items()}
    modules = [(path, type(module)) for path, module in loaded.model.named_modules()]
    gradients = [parameter.requires_grad for parameter in loaded.model.parameters()]
    bare = tiny.outputs(loaded)
    adapters = AdapterSet(loaded)
    tiny.trained(adapters, "a", seed=3)
    tiny.trained(adapters, "b", seed=4, targets="attention", rank=2)
    adapters.use("a")
    first = tiny.outputs(loaded)
    adapters.use("b")
    second = tiny.outputs(loaded)
    assert not torch.equal(first, second)
    with adapters.off():
        assert torch.equal(tiny.outputs(loaded), bare)
    assert adapters.active == "b" and torch.equal(tiny.outputs(loaded), second)
    adapters.detach("b")
    assert adapters.active is None and torch.equal(tiny.outputs(loaded), bare)
    adapters.use("a")
    assert torch.equal(tiny.outputs(loaded), first)
    adapters.detach("a")
    assert adapters.names == () and torch.equal(tiny.outputs(loaded), bare)
    assert [(path, type(module)) for path, module in loaded.model.named_modules()] == modules
    assert [parameter.requires_grad for parameter in loaded.model.parameters()] == gradients
    after = loaded.model.state_dict()
    assert after.keys() == weights.keys() and all(torch.equal(after[key], weights[key]) for key in weights)
    assert not hasattr(loaded.model, "peft_config")
    tiny.trained(AdapterSet(loaded), "again")  # and all of it can be done once more


@pytest.mark.parametrize("lora", [{}, {"targets": "attention"}, {"targets": "feed-forward"}])
def test_what_was_saved_is_what_is_attached(loaded, tmp_path, lora) -> None:
    adapters = AdapterSet(loaded)
    tiny.trained(adapters, "a", **lora)
    adapters.use("a")
    before = tiny.outputs(loaded)
    adapters.save("a", tmp_path / "saved", tiny.card_for(loaded, "a"))
    adapters.detach("a")
    assert adapters.attach(tmp_path / "saved", "again") == "again"
    adapters.use("again")
    assert torch.equal(tiny.outputs(loaded), before)
    assert not any(parameter.requires_grad for parameter in adapters.parameters("again"))


def test_peft_itself_reads_what_was_saved(tmp_path) -> None:
    from peft import PeftModel

    loaded = tiny.build("llama")
    adapters = AdapterSet(loaded)
    tiny.trained(adapters, "a")
    adapters.use("a")
    expected = tiny.outputs(loaded)
    adapters.save("a", tmp_path / "saved", tiny.card_for(loaded, "a"))
    fresh = tiny.build("llama")
    wrapped = PeftModel.from_pretrained(fresh.model, tmp_path / "saved").eval()
    other = type(fresh)(fresh.name, wrapped.base_model.model, None, fresh.placement, fresh.folder, fresh.fingerprint)
    torch.testing.assert_close(tiny.outputs(other), expected)


def test_a_head_is_saved_and_taken_off_too(tmp_path) -> None:
    loaded = tiny.build("bert")
    bare = tiny.outputs(loaded)
    adapters = AdapterSet(loaded)
    tiny.trained(adapters, "a", heads=["classifier"])
    tiny.trained(adapters, "b", seed=9)
    adapters.use("a")
    before = tiny.outputs(loaded)
    adapters.save("a", tmp_path / "saved", tiny.card_for(loaded, "a"))
    adapters.detach("a")
    adapters.detach("b")
    assert torch.equal(tiny.outputs(loaded), bare)
    assert type(loaded.model.classifier) is torch.nn.Linear
    adapters.attach(tmp_path / "saved")
    adapters.use("a")
    assert torch.equal(tiny.outputs(loaded), before)


def test_layers_are_chosen_by_where_they_stand() -> None:
    gpt2, bert = tiny.build("gpt2"), tiny.build("bert")
    for loaded, targets, expected in (
        (gpt2, "attention", {"attn.c_attn", "attn.c_proj"}),
        (gpt2, "feed-forward", {"mlp.c_fc", "mlp.c_proj"}),
        (bert, "feed-forward", {"intermediate.dense", "output.dense"}),
    ):
        adapters = AdapterSet(loaded)
        adapters.create("a", lora_config(loaded.model, rank=2, targets=targets))
        paths = [path for path, module in loaded.model.named_modules() if hasattr(module, "lora_A")]
        assert {path.split(".", path.count(".") - 1)[-1] for path in paths} == expected
        assert not any("attention" in path for path in paths)
        adapters.detach("a")
    assert linear_layers(torch.nn.Linear(2, 2), "all") == ""


def test_switching_off_between_forward_and_backward_loses_no_gradient(qwen) -> None:
    adapters = AdapterSet(qwen)
    tiny.trained(adapters, "policy")
    tiny.trained(adapters, "value", seed=5)
    adapters.use("policy")
    tokens = torch.arange(9)[None]
    loss = qwen.model(input_ids=tokens).logits.square().mean()
    with adapters.off(), torch.no_grad():
        qwen.model(input_ids=tokens)
    adapters.use("value")
    loss.backward()
    assert all(parameter.grad is not None for parameter in adapters.parameters("policy"))
    assert all(parameter.grad is None for parameter in adapters.parameters("value"))
    bare = [parameter for key, parameter in qwen.model.named_parameters() if "adapter_" not in key]
    assert all(parameter.grad is None for parameter in bare)


def test_other_threads_wait_while_an_adapter_is_held(qwen) -> None:
    adapters = AdapterSet(qwen)
    bare = tiny.outputs(qwen)
    tiny.trained(adapters, "a")
    adapters.use("a")
    with_adapter = tiny.outputs(qwen)
    wrong = []

    def run(name: str | None, expected: torch.Tensor) -> None:
        holding = adapters.holding(name)
        for _ in range(30):
            with holding:
                if not torch.equal(tiny.outputs(qwen), expected):
                    wrong.append(name)

    threads = [threading.Thread(target=run, args=pair) for pair in [("a", with_adapter), (None, bare)] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and adapters.active == "a"


def test_a_trainable_adapter_on_a_bfloat16_model_is_float32(tmp_path) -> None:
    loaded = tiny.build("llama")
    loaded.model.bfloat16()
    adapters = AdapterSet(loaded)
    tiny.trained(adapters, "a")
    assert {parameter.dtype for parameter in adapters.parameters("a")} == {torch.float32}
    adapters.use("a")
    assert tiny.outputs(loaded).dtype == torch.bfloat16
    adapters.save("a", tmp_path / "saved", tiny.card_for(loaded, "a"))
    adapters.attach(tmp_path / "saved", "b", trainable=True)
    adapters.attach(tmp_path / "saved", "c")
    assert all(map(torch.equal, adapters.parameters("a"), adapters.parameters("b")))
    assert {parameter.dtype for parameter in adapters.parameters("c")} == {torch.bfloat16}


def test_what_cannot_be_attached_is_refused_and_leaves_the_model_alone(qwen, tmp_path) -> None:
    bare = tiny.outputs(qwen)
    adapters = AdapterSet(qwen)
    tiny.trained(adapters, "a")
    adapters.save("a", tmp_path / "saved", tiny.card_for(qwen, "a"))
    adapters.detach("a")
    other = tiny.build("qwen2", seed=2)
    with pytest.raises(ModelFileMismatch, match="made for 'tiny-qwen2' with fingerprint"):
        AdapterSet(other).attach(tmp_path / "saved")
    llama = tiny.build("gpt2")
    disguised = type(qwen)("x", llama.model, None, qwen.placement, qwen.folder, qwen.fingerprint)
    before = tiny.outputs(llama)
    with pytest.raises((ModelFileMismatch, InputError), match=r"cannot be put into|does not fit"):
        AdapterSet(disguised).attach(tmp_path / "saved")
    assert torch.equal(tiny.outputs(llama), before) and not hasattr(llama.model, "peft_config")
    with pytest.raises(UnknownName, match="no attached adapter named 'b'"):
        adapters.use("b")
    adapters.attach(tmp_path / "saved")
    with pytest.raises(InputError, match="is taken"):
        adapters.attach(tmp_path / "saved")
    with pytest.raises(InputError, match="has adapters already"):
        AdapterSet(qwen)
    with pytest.raises(InputError, match="letters"):
        adapters.create("a.b", lora_config(qwen.model))
    with pytest.raises(InputError, match="asks for bias"):
        config = lora_config(other.model)
        config.bias = "all"
        adapters.create("c", config)
    with pytest.raises(InputError, match="cannot be put into"):
        adapters.create("c", lora_config(other.model, targets=["nothing"]))
    adapters.detach("a")
    assert torch.equal(tiny.outputs(qwen), bare)


@pytest.mark.parametrize("values", [{"rank": 0}, {"dropout": 1.0}, {"alpha": 0}, {"targets": "heads"}])
def test_values_out_of_range_are_refused(qwen, values) -> None:
    with pytest.raises(InputError):
        lora_config(qwen.model, **values)
