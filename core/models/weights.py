"""How many numbers a model is made of, from the headers of its safetensors files: no weight is read."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import InputError, ModelFileMismatch
from core.files import MEBIBYTE, parse_json, read_json_object
from core.models.hardware import BYTES_PER_NUMBER

_KEPT = re.compile(r"embed|\bwte\b|\bwpe\b|shared\.weight|relative_attention_bias|lm_head")
"""Matrices that quantisation leaves as they are: those that are looked up, and the output layer."""
_LONGEST_HEADER_BYTES = 100_000_000
"""The bound of the safetensors format itself."""
_LONGEST_INDEX_BYTES = 64 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class Weights:
    """Numbers in all, and those of them in matrices that quantisation makes smaller; 0 where these are not known."""

    total: int
    linear: int = 0

    def memory_bytes(self) -> dict[str, int]:
        """Bytes in each number format."""
        return {dtype: size * self.total for dtype, size in BYTES_PER_NUMBER.items()}

    def quantised_bytes(self, bits: int, rest_dtype: str) -> int:
        """Bytes with those matrices in so many bits and the rest in `rest_dtype`, without the scales (a thousandth)."""
        return bits * self.linear // 8 + BYTES_PER_NUMBER[rest_dtype] * (self.total - self.linear)


def read_weights(folder: Path) -> Weights:
    """The floating-point numbers in the safetensors files of `folder`; shared ones are stored, and counted, once.

    Raises:
        ModelFileMismatch: a file is cut off, or is not of the format.
    """
    total = linear = 0
    for path in weight_files(folder):
        for name, tensor in _header(path).items():
            if name == "__metadata__" or not tensor["dtype"].startswith(("F", "BF")):  # others are no weights
                continue
            count = math.prod(tensor["shape"])
            total += count
            if len(tensor["shape"]) == 2 and min(tensor["shape"]) > 1 and not _KEPT.search(name):
                linear += count
    return Weights(total, linear)


def weight_files(folder: Path) -> list[Path]:
    """The files transformers reads: `model.safetensors` or the parts its index names, where there are such.

    Raises:
        ModelFileMismatch: the index cannot be read, or names a file that is missing or outside of the folder.
    """
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    if index.is_file():
        try:
            parts = read_json_object(index, max_bytes=_LONGEST_INDEX_BYTES)["weight_map"].values()
            names = sorted({Path(name).as_posix() for name in parts})
        except (InputError, KeyError, AttributeError, TypeError) as error:
            raise ModelFileMismatch(f"'{index}' cannot be read.", hint="Fetch the model again.") from error
        missing = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
        if missing:
            raise ModelFileMismatch(f"'{missing[0]}' is missing from '{folder}'.", hint="Fetch the model again.")
        return [folder / name for name in names]
    return sorted(folder.glob("*.safetensors"))


def _header(path: Path) -> dict[str, Any]:
    broken = ModelFileMismatch(f"'{path}' is cut off or not a safetensors file.", hint="Fetch the model again.")
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(8)
        if len(start) < 8:
            raise broken
        (length,) = struct.unpack("<Q", start)
        if length > min(size - 8, _LONGEST_HEADER_BYTES):
            raise broken
        text = stream.read(length)
    try:
        header = parse_json(text, path.name)
        tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
        ends = [int(tensor["data_offsets"][1]) for tensor in tensors]
        fits = all(isinstance(one["dtype"], str) and all(type(n) is int for n in one["shape"]) for one in tensors)
    except (InputError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise broken from error
    if not fits or max(ends, default=0) + 8 + length != size:
        raise broken
    found: dict[str, Any] = header
    return found
