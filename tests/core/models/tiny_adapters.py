"""Tiny random models and adapters with weights that matter, for the tests of adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from core.models import AdapterCard, AdapterSet, LoadedModel, Placement, lora_config

SIZES = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 1,
}
GPT2 = {"vocab_size": 97, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, "initializer_range": 0.2}
T5 = {"vocab_size": 97, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
BERT = {key: SIZES[key] for key in list(SIZES)[:5]} | {"max_position_embeddings": 128}


def build(family: str, seed: int = 1) -> LoadedModel:
    torch.manual_seed(seed)
    model: Any = {
        "gpt2": lambda: transformers.GPT2LMHeadModel(transformers.GPT2Config(**GPT2, eos_token_id=0)),
        "llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES)),
        "qwen2": lambda: transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**SIZES, tie_word_embeddings=True)),
        "t5": lambda: transformers.T5ForConditionalGeneration(transformers.T5Config(**T5, decoder_start_token_id=0)),
        "bert": lambda: transformers.BertForSequenceClassification(transformers.BertConfig(**BERT)),
    }[family]()
    placement = Placement("cpu", "float32", "tests compare exactly")
    return LoadedModel(f"tiny-{family}", model.eval(), None, placement, Path("nowhere"), f"{family}-{seed}" * 4)


def outputs(loaded: LoadedModel) -> torch.Tensor:
    tokens = torch.randint(97, (3, 11), generator=torch.Generator().manual_seed(2))
    more = {"decoder_input_ids": tokens[:, :7]} if loaded.model.config.is_encoder_decoder else {}
    with torch.inference_mode():
        return loaded.model(input_ids=tokens, **more).logits


def trained(adapters: AdapterSet, name: str, seed: int = 3, **lora: Any) -> None:
    """An adapter whose weights are all drawn, B too, so that it matters."""
    lora = {"rank": 4, "targets": "all", **lora}
    adapters.create(name, lora_config(adapters.loaded.model, **lora))
    draw = torch.Generator().manual_seed(seed)
    for parameter in adapters.parameters(name):
        parameter.data.copy_(torch.randn(parameter.shape, generator=draw) * 0.2)


def card_for(loaded: LoadedModel, name: str, **more: Any) -> AdapterCard:
    given = {"data_sha256": "ab" * 32, "seed": 7, "config": {"rank": 4, "stages": ["sft"]}, **more}
    return AdapterCard(name=name, base=loaded.name, base_fingerprint=loaded.fingerprint, **given)
