"""What a GGUF file says of itself: its header is read, no weight is restored."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ModelFileMismatch
from core.models.weights import Weights

_NOT_CAUSAL = ("t5", "umt5", "t5encoder", "bert", "general", "tokenizer")

_KEPT = ("token_embd", "output.", "position_embd")
"""Matrices that quantisation of ours leaves as they are."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """Facts of a GGUF file; 0 and "" where it says nothing.

    Attributes:
        formats: number formats of its tensors with how many tensors have each, the commonest first.
        readable: whether transformers can restore this architecture as a causal model.
        numbers_per_token: keys and values that a token adds.
    """

    architecture: str
    layers: int
    width: int
    context_tokens: int
    licence: str
    weights: Weights
    formats: tuple[tuple[str, int], ...]
    readable: bool
    numbers_per_token: int


def read_gguf_header(path: Path) -> GgufHeader:
    """The header of the file `path`. Raises `ModelFileMismatch` for one that is not GGUF, or cut off."""
    import gguf
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    try:
        reader = gguf.GGUFReader(path)
        tensors = [
            (tensor.name, [int(size) for size in tensor.shape], tensor.tensor_type.name) for tensor in reader.tensors
        ]
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, MemoryError, OSError) as error:
        raise ModelFileMismatch(f"'{path}' cannot be read as GGUF: {error}", hint="It may be cut off.") from error
    name = str(_value(reader, "general.architecture") or "unknown")
    heads = _number(reader, f"{name}.attention.head_count")
    key_heads = _number(reader, f"{name}.attention.head_count_kv") or heads
    layers, width = _number(reader, f"{name}.block_count"), _number(reader, f"{name}.embedding_length")
    head_width = _number(reader, f"{name}.attention.key_length") or (width // heads if heads else 0)
    matrices = [math.prod(shape) for tensor, shape, _ in tensors if len(shape) == 2 and not tensor.startswith(_KEPT)]
    return GgufHeader(
        architecture=name,
        layers=layers,
        width=width,
        context_tokens=_number(reader, f"{name}.context_length"),
        licence=str(_value(reader, "general.license") or ""),
        weights=Weights(sum(math.prod(shape) for _, shape, _ in tensors), sum(matrices)),
        formats=tuple(Counter(kind for _, _, kind in tensors).most_common()),
        readable=name in GGUF_SUPPORTED_ARCHITECTURES and name not in _NOT_CAUSAL,
        numbers_per_token=2 * layers * key_heads * head_width,
    )


def _value(reader: Any, key: str) -> Any:
    field = reader.get_field(key)
    return field.contents() if field is not None else None


def _number(reader: Any, key: str) -> int:
    value = _value(reader, key)
    return int(value) if isinstance(value, int) else 0
