"""GGUF to a trainable transformers folder: weights restored from their blocks, once, and saved as safetensors."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from core.errors import ModelFileMismatch


def convert_gguf(path: Path, folder: Path) -> None:
    """Write config, bfloat16 weights, tokenizer with its chat template and stop tokens into `folder`.

    Raises:
        ModelFileMismatch: transformers cannot read the file.
    """
    with contextlib.redirect_stderr(io.StringIO()):  # bars that no setting turns off
        tokenizer, model = _read(path)
        _tie_embeddings(model)
        model.config.dtype = "bfloat16"
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _read(path: Path) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    try:
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        model = AutoModelForCausalLM.from_pretrained(
            path.parent,
            gguf_file=path.name,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),
        )
    except (ValueError, KeyError, NotImplementedError) as error:
        raise ModelFileMismatch(
            f"'{path.name}' cannot be read as a causal language model: {error}",
            hint="Choose a GGUF of an architecture that transformers reads (Qwen2, Llama, …).",
        ) from error
    return tokenizer, model


def _tie_embeddings(model: Any) -> None:
    """Share one matrix between input and output where the file stores the same matrix twice.

    Small models are trained with tied embeddings; a quantised file may still hold two copies, the output one at a
    higher precision. That one serves both ends. Two matrices that are really different stay apart: after restoring,
    copies of one matrix agree to within the quantisation error, so rows of different matrices would not.
    """
    import torch

    inputs, outputs = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    if inputs.data_ptr() == outputs.data_ptr() or inputs.shape != outputs.shape:
        return
    sample = torch.linspace(0, inputs.shape[0] - 1, 2048).long()
    cosine = torch.nn.functional.cosine_similarity(inputs[sample].float(), outputs[sample].float(), dim=1)
    if cosine.median() < 0.98:
        return
    with torch.no_grad():
        inputs.copy_(outputs)
    model.config.tie_word_embeddings = True
    model.tie_weights()
