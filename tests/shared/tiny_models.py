"""Models of two random layers and tokenizers of a few hundred tokens, made in a second: for tests to build on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from core.models.hardware import Placement

CPU = Placement("cpu", "float32", "tests compare exactly")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
BERT_SIZES = {name: size for name, size in SIZES.items() if name != "num_key_value_heads"}
GPT2_SIZES = {"n_embd": 32, "n_layer": 2, "n_head": 4}
T5_SIZES = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}


def byte_tokenizer(
    *marks: str,
    single: str | None = None,
    pair: str | None = None,
    extra: Sequence[str] = (),
    chat: bool = False,
    **named: Any,
) -> PreTrainedTokenizerFast:
    """One token a byte, so that Chinese characters take three.

    Args:
        marks: tokens whose ids come before those of the bytes, from 0.
        single: what stands around a text, as ``"$A </s>"``; default: nothing.
        pair: the same for two texts.
        extra: special tokens after the named ones.
        chat: whether it has ChatML's template.
        named: ``eos_token`` and the like, `model_max_length`; new tokens come after the bytes.
    """
    letters = [*marks, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    rules = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    rules.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    rules.decoder = decoders.ByteLevel()
    if single is not None:
        around = [(mark, number) for number, mark in enumerate(marks) if mark in f"{single} {pair or ''}"]
        rules.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=around)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=rules, **named)
    if extra:
        tokenizer.add_special_tokens({"additional_special_tokens": list(extra)})
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def word_tokenizer(words: Sequence[str]) -> PreTrainedTokenizerFast:
    """WordPiece over `words`, as BERT's: Chinese characters apart, [CLS] and [SEP] around texts."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    rules = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]"))
    rules.normalizer = normalizers.BertNormalizer()
    rules.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    rules.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=rules,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def ends_of(tokenizer: PreTrainedTokenizerFast) -> dict[str, int | None]:
    """The ids of end and padding, for a configuration."""
    return {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}


def qwen2(vocabulary: int, **more: Any) -> transformers.Qwen2ForCausalLM:
    """With weights from torch's random numbers as they stand, like all below."""
    return transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**SIZES, vocab_size=vocabulary, **more))


def gpt2(vocabulary: int, **more: Any) -> transformers.GPT2LMHeadModel:
    """GPT-2 with absolute positions."""
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**GPT2_SIZES, vocab_size=vocabulary, **more))


def bert(make: type[PreTrainedModel], vocabulary: int, **more: Any) -> PreTrainedModel:
    """`make` is one of BERT's models."""
    return make(transformers.BertConfig(**{**BERT_SIZES, "vocab_size": vocabulary, **more}))


def bert_encoder(vocabulary: int, **more: Any) -> transformers.BertModel:
    """BERT without a head."""
    config = transformers.BertConfig(**{**BERT_SIZES, "vocab_size": vocabulary, **more})
    return transformers.BertModel(config, add_pooling_layer=False)


def save(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> Path:
    """Both in `folder`, as the hub has them."""
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def save_chat_model(folder: Path, *, seed: int = 0) -> Path:
    """A Qwen2 with ChatML in `folder`."""
    tokenizer = byte_tokenizer(
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=512,
        extra=["<|im_start|>"],
        chat=True,
    )
    torch.manual_seed(seed)
    wide = 0.3  # so that the random model has clear preferences
    model = qwen2(len(tokenizer), max_position_embeddings=512, initializer_range=wide, **ends_of(tokenizer))
    return save(folder, model, tokenizer)
