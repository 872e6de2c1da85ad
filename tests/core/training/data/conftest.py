"""A byte-level chat tokenizer, a two-layer random decoder, a word-level encoder tokenizer and a random encoder."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def chat_tokenizer() -> Any:
    """One token a byte, ChatML marks."""
    from tiny_models import byte_tokenizer

    marks = ["<|im_start|>", "<|im_end|>"]
    return byte_tokenizer(eos_token="<|endoftext|>", pad_token="<|endoftext|>", extra=marks, chat=True)


@pytest.fixture(scope="session")
def tiny_decoder(chat_tokenizer: Any) -> Any:
    import torch
    from tiny_models import qwen2

    torch.manual_seed(0)
    return qwen2(len(chat_tokenizer), initializer_range=0.3).eval()


@pytest.fixture(scope="session")
def encoder_tokenizer() -> Any:
    """A few words and characters."""
    from tiny_models import word_tokenizer

    english = ["the", "card", "##s", "fee", "is", "high", "new", "##er", "."]
    return word_tokenizer([*english, *"卡片费用是多少新的信用额度，。"])


@pytest.fixture(scope="session")
def tiny_encoder() -> Any:
    import torch
    from tiny_models import bert
    from transformers import BertForMaskedLM

    torch.manual_seed(0)
    return bert(BertForMaskedLM, 300, initializer_range=0.3).eval()
