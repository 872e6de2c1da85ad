from __future__ import annotations

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from core.models.activations import fuse_activations


@pytest.mark.parametrize("activation", ["gelu_new", "gelu_fast"])
def test_the_function_stays_the_same(activation: str) -> None:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2, activation_function=activation)
    model = GPT2LMHeadModel(config).eval()
    tokens = torch.randint(40, (3, 7))
    names = list(model.state_dict())
    before = model(tokens).logits
    assert fuse_activations(model) == 2
    assert torch.allclose(model(tokens).logits, before, atol=1e-6)
    assert list(model.state_dict()) == names
    assert fuse_activations(model) == 0


def test_other_models_are_left_alone() -> None:
    config = LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    assert fuse_activations(LlamaForCausalLM(config)) == 0
