"""Models of some hundred thousand random weights whose tokens are words, made without reading anything from disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.models.hardware import Placement
from core.models.loading import LoadedModel


def word_tokenizer(words: Sequence[str], most_tokens: int) -> Any:
    """One token a word; padding is 0 and the end 1."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    places = {word: number for number, word in enumerate(["<pad>", "<end>", *words])}
    made = Tokenizer(models.WordLevel(places, unk_token="<pad>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<end>", pad_token="<pad>", unk_token="<pad>", model_max_length=most_tokens
    )


def random_model(name: str, tokens: Any, seed: int, *, spread: float, tied: bool) -> LoadedModel:
    """Two layers of width 64 for the tokenizer's words; `spread` is the deviation of the weights, `tied`: words are
    read and written by the same ones."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokens),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=tokens.model_max_length,
        initializer_range=spread,
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
    )
    model = Qwen2ForCausalLM(config).eval()
    return LoadedModel(name, model, tokens, Placement("cpu", "float32", "small"), Path(), "random")
