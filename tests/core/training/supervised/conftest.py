from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_models
import torch
from tiny_models import CPU, bert_encoder, save
from transformers import PreTrainedTokenizerFast

from core.models.loading import LoadedModel, load_encoder

WORDS = ("pay", "card", "lost", "stolen", "fee", "high", "is", "my", "the", "a", "was", "why", "so", "##s", "open")


@pytest.fixture(scope="session")
def word_tokenizer() -> PreTrainedTokenizerFast:
    return tiny_models.word_tokenizer([*WORDS, *"发烧三天咳嗽无，。"])


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory, word_tokenizer: PreTrainedTokenizerFast) -> Path:
    """A random two-layer BERT with its tokenizer."""
    torch.manual_seed(0)
    model = bert_encoder(len(word_tokenizer), max_position_embeddings=64, initializer_range=0.2)
    return save(tmp_path_factory.mktemp("bert"), model, word_tokenizer)


@pytest.fixture
def tiny_encoder(encoder_folder: Path) -> Callable[[], LoadedModel]:
    return lambda: load_encoder(str(encoder_folder), placement=CPU)
