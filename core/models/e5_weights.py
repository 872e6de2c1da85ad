"""multilingual-e5-small from its packed 4-bit image to a plain BertModel folder.

The image is little-endian: the mark `E5S1` and a version, 1, as uint32; seven int32 (hidden size, layers, heads,
feed-forward size, vocabulary, positions, token types); the layer-norm epsilon as float32 and the number of weights
per quantised block as int32; five int32 (number of pieces, then ids of begin, end, padding, unknown); the sentence-
piece vocabulary (blob length as uint64, piece offsets as uint32, scores as float32, the blob, an int32 and a
normaliser table with its uint32 length); then a directory of tensors: name (uint16 length), type (uint8), number of
weights (uint32), offset and length in bytes (uint64 each). A quantised block is a float16 scale and 16 bytes: the low
halves are the first 16 weights, the high halves the next 16, each 0..15 standing for -8..7 times the scale.
"""

from __future__ import annotations

import contextlib
import io
import json
import mmap
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ModelFileMismatch

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    Floats = npt.NDArray[np.float32]

_MAGIC = b"E5S1"
_BLOCK_WEIGHTS = 32
_BLOCK_BYTES = 18
_LAYER_MATRICES = {  # our name in the image -> (module, rows, columns), sizes by letter: hidden, feed-forward
    "q": ("attention.self.query", "h", "h"),
    "k": ("attention.self.key", "h", "h"),
    "v": ("attention.self.value", "h", "h"),
    "ao": ("attention.output.dense", "h", "h"),
    "fi": ("intermediate.dense", "f", "h"),
    "fo": ("output.dense", "h", "f"),
}
_LAYER_NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
_SPECIAL_TOKENS = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}


@dataclass(frozen=True, slots=True)
class _Shape:
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    weights: int
    offset: int
    size_bytes: int


class _Image:
    """The parsed header of an image, and its tensors on demand."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._position = 0
        if data[:4] != _MAGIC:
            raise _mismatch("it does not begin with E5S1")
        self._position = 4
        (version,) = self._take("<I")
        if version != 1:
            raise _mismatch(f"it is of version {version} instead of 1")
        self.shape = _Shape(*self._take("<7i"))
        self.epsilon, block = self._take("<fi")
        if block != _BLOCK_WEIGHTS:
            raise _mismatch(f"its blocks hold {block} weights instead of {_BLOCK_WEIGHTS}")
        pieces, _, _, self.padding_id, _ = self._take("<5i")
        self.pieces = self._read_pieces(pieces)
        _, table_bytes = self._take("<iI")
        self._position += table_bytes
        self._tensors = dict(self._read_tensor() for _ in range(self._take("<i")[0]))

    def floats(self, name: str, *shape: int) -> Floats:
        """A tensor stored as float32, `shape`."""
        import numpy as np

        tensor = self._tensor(name, shape, bytes_each=4)
        flat = np.frombuffer(self._data, "<f4", tensor.weights, tensor.offset)
        return flat.reshape(shape).astype(np.float32)

    def quantised(self, name: str, rows: int, columns: int) -> Floats:
        """A tensor stored in 4-bit blocks, `(rows, columns)`, restored to float32."""
        import numpy as np

        tensor = self._tensor(name, (rows, columns), bytes_each=_BLOCK_BYTES / _BLOCK_WEIGHTS)
        blocks = np.frombuffer(self._data, np.uint8, tensor.size_bytes, tensor.offset).reshape(-1, _BLOCK_BYTES)
        scales = blocks[:, :2].copy().view("<f2").astype(np.float32)  # (blocks, 1)
        packed = blocks[:, 2:]  # (blocks, 16)
        levels = np.concatenate([packed & 15, packed >> 4], axis=1).astype(np.float32) - 8  # (blocks, 32)
        return (levels * scales).reshape(rows, columns)

    def _tensor(self, name: str, shape: tuple[int, ...], bytes_each: float) -> _Tensor:
        tensor = self._tensors.get(name)
        weights = 1
        for size in shape:
            weights *= size
        if tensor is None or tensor.weights != weights or tensor.size_bytes != int(weights * bytes_each):
            raise _mismatch(f"its tensor '{name}' is missing or has another size than {shape}")
        if tensor.offset + tensor.size_bytes > len(self._data):
            raise _mismatch(f"its tensor '{name}' ends past the end of the file")
        return tensor

    def _take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(layout, self._data, self._position)
        self._position += struct.calcsize(layout)
        return values

    def _read_pieces(self, count: int) -> list[str]:
        (blob_bytes,) = self._take("<Q")
        offsets = self._take(f"<{count + 1}I")
        self._position += 4 * count  # scores: the tokenizer file has them
        blob = self._data[self._position : self._position + blob_bytes]
        self._position += blob_bytes
        return [blob[start:end].decode("utf-8") for start, end in pairwise(offsets)]

    def _read_tensor(self) -> tuple[str, _Tensor]:
        (length,) = self._take("<H")
        name = self._data[self._position : self._position + length].decode("ascii")
        self._position += length + 1  # the type byte; the size says the same
        return name, _Tensor(*self._take("<IQQ"))


def convert_e5(image_path: Path, tokenizer_path: Path, folder: Path) -> None:
    """Write config, float16 weights and tokenizer into `folder`.

    Raises:
        ModelFileMismatch: the image breaks its format, or the tokenizer has another vocabulary than the image.
    """
    import torch
    from transformers import BertConfig, BertModel

    with image_path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            image = _Image(data)
        except (struct.error, UnicodeDecodeError) as error:
            raise _mismatch(str(error)) from error
        _check_vocabulary(image.pieces, tokenizer_path)
        state = _state(image)
    shape = image.shape
    config = BertConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=shape.positions,
        type_vocab_size=shape.token_types,
        layer_norm_eps=float(f"{image.epsilon:.6g}"),
        pad_token_id=image.padding_id,
    )
    with torch.device("meta"):
        model = BertModel(config, add_pooling_layer=False)
    missing, unexpected = model.load_state_dict(state, strict=False, assign=True)
    if missing or unexpected:
        raise _mismatch(f"tensors missing {missing}, unexpected {unexpected}")
    with contextlib.redirect_stderr(io.StringIO()):  # a bar that no setting turns off
        model.half().save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes(tokenizer_path.read_bytes())
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, **_SPECIAL_TOKENS}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")


def _state(image: _Image) -> dict[str, torch.Tensor]:
    """The state dict of BertModel, by its parameter names."""
    import torch

    shape = image.shape
    sizes = {"h": shape.hidden, "f": shape.feed_forward}
    arrays = {
        "embeddings.word_embeddings.weight": image.quantised("emb.word", shape.vocabulary, shape.hidden),
        "embeddings.position_embeddings.weight": image.floats("emb.pos", shape.positions, shape.hidden),
        "embeddings.token_type_embeddings.weight": image.floats("emb.type", shape.token_types, shape.hidden),
        "embeddings.LayerNorm.weight": image.floats("emb.ln.w", shape.hidden),
        "embeddings.LayerNorm.bias": image.floats("emb.ln.b", shape.hidden),
    }
    for layer in range(shape.layers):
        prefix = f"encoder.layer.{layer}."
        for short, (module, rows, columns) in _LAYER_MATRICES.items():
            matrix = image.quantised(f"l{layer}.{short}.w", sizes[rows], sizes[columns])
            arrays[f"{prefix}{module}.weight"] = matrix
            arrays[f"{prefix}{module}.bias"] = image.floats(f"l{layer}.{short}.b", sizes[rows])
        for short, module in _LAYER_NORMS.items():
            arrays[f"{prefix}{module}.weight"] = image.floats(f"l{layer}.{short}.w", shape.hidden)
            arrays[f"{prefix}{module}.bias"] = image.floats(f"l{layer}.{short}.b", shape.hidden)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _check_vocabulary(pieces: list[str], tokenizer_path: Path) -> None:
    """Row i of the embedding must belong to token i of the tokenizer; anything else gives plausible nonsense."""
    tokenizer = json.loads(tokenizer_path.read_text(encoding="utf-8"))
    vocabulary = [piece for piece, _ in tokenizer["model"]["vocab"]]
    if vocabulary[: len(pieces)] != pieces:
        raise ModelFileMismatch(
            "The tokenizer of multilingual-e5-small has another vocabulary than its weights.",
            hint="Run: trivium models pull multilingual-e5-small --force",
        )


def _mismatch(reason: str) -> ModelFileMismatch:
    return ModelFileMismatch(
        f"The weights of multilingual-e5-small are not in the expected format: {reason}.",
        hint="Run: trivium models pull multilingual-e5-small --force",
    )
