"""Tiny random models and adapters with weights that matter, for the tests of adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tiny_models import CPU, SIZES, T5_SIZES, bert, gpt2, qwen2

from core.models import AdapterCard, AdapterSet, LoadedModel, lora_config

VOCABULARY = 97
POSITIONS = {"max_position_embeddings": 128}
MARKS = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}


def build(family: str, seed: int = 1) -> LoadedModel:
    torch.manual_seed(seed)
    decoder = {**POSITIONS, **MARKS, "initializer_range": 0.2}
    model: Any = {
        "gpt2": lambda: gpt2(VOCABULARY, n_positions=128, initializer_range=0.2, eos_token_id=0),
        "llama": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**SIZES, **decoder, vocab_size=VOCABULARY)),
        "qwen2": lambda: qwen2(VOCABULARY, **decoder, tie_word_embeddings=True),
        "t5": lambda: hf.T5ForConditionalGeneration(
            hf.T5Config(**T5_SIZES, vocab_size=VOCABULARY, decoder_start_token_id=0)
        ),
        "bert": lambda: bert(hf.BertForSequenceClassification, VOCABULARY, **POSITIONS),
    }[family]()
    return LoadedModel(f"tiny-{family}", model.eval(), None, CPU, Path("nowhere"), f"{family}-{seed}" * 4)


def outputs(loaded: LoadedModel) -> torch.Tensor:
    tokens = torch.randint(VOCABULARY, (3, 11), generator=torch.Generator().manual_seed(2))
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
