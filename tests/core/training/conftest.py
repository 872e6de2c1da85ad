from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_models import CPU, byte_tokenizer, ends_of, gpt2, qwen2, save

from core.models.loading import LoadedModel, load_causal


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random two-layer models of two families, as folders."""
    tokenizer = byte_tokenizer(eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=256)
    more = {**ends_of(tokenizer), "bos_token_id": None, "initializer_range": 0.2}
    torch.manual_seed(0)
    made = {
        "qwen2": qwen2(len(tokenizer), max_position_embeddings=256, **more),
        "gpt2": gpt2(len(tokenizer), n_positions=256, **more),
    }
    return {name: save(tmp_path_factory.mktemp(name), model, tokenizer) for name, model in made.items()}


@pytest.fixture
def tiny(tiny_folders: dict[str, Path]) -> Callable[..., LoadedModel]:
    """Loads a fresh tiny model: `tiny("qwen2")`."""

    def load(name: str = "qwen2") -> LoadedModel:
        return load_causal(str(tiny_folders[name]), placement=CPU)

    return load
