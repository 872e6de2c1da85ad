"""Causal models with their linear layers in 8 or 4 bits: less memory, and what it costs.

On a CPU, int8 by `core.models.int8`; no package is needed. int4 is refused there: torch's kernel is as fast as int8 for
one row, and six times as slow as bfloat16 for 64. On an NVIDIA GPU, weights alone by torchao, which must be installed;
no machine of ours has run that way yet. The embedding and the output layer stay as they are, as do layers that a model
wants in float32.

Measured on one thread of a shared Xeon with AMX, against float32 (280 and 187 places, English, Chinese and code):

| model | weights | top-1 kept | mean abs. log-prob. difference | tokens a CPU-second: 1 row, 16 rows, reading |
|---|---|---|---|---|
| SmolLM2-135M | bfloat16, 269 MB | .979 | .044 | 16.4, 240, 671 |
| | int8, 165 MB | .950 | .082 | 21.6, 243, 583 |
| Qwen2.5-Coder-0.5B | bfloat16 | .968 | .027 | 7.3, 106, 232 |
| | int8 | .947 | .044 | 10.8, 123, 233 |
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any, Literal, get_args

from core.errors import InputError, ModelNotAvailable

Quantisation = Literal["int8", "int4"]


@dataclass(frozen=True, slots=True)
class Quantised:
    """What was done to a model. Bytes are those of all weights.

    Attributes:
        kind: "int8" or "int4".
        method: what computes with it.
        layers: linear layers in fewer bits.
        kept: layers left alone, by the last parts of their names.
    """

    kind: str
    method: str
    layers: int
    kept: tuple[str, ...]
    bytes_before: int
    bytes_after: int

    def __str__(self) -> str:
        kept = f"; left alone: {', '.join(self.kept)}" if self.kept else ""
        return (
            f"{self.kind} by {self.method}: {self.layers} layers, {self.bytes_before / 1e6:.0f} MB became "
            f"{self.bytes_after / 1e6:.0f} MB{kept}"
        )


def possible_quantisations(device: str) -> dict[str, str]:
    """For "int8" and "int4", why a model on `device` cannot be loaded so; empty where it can."""
    if device == "cpu":
        return {"int8": "", "int4": "there is none for CPUs; use int8"}
    if device != "cuda":
        return dict.fromkeys(get_args(Quantisation), f"there is none for the device '{device}'")
    missing = "" if importlib.util.find_spec("torchao") else "needs the package torchao (pip install torchao)"
    return {"int8": missing, "int4": missing}


def check_quantisation(kind: str, device: str) -> None:
    """Raises `InputError` for another word than int8 or int4, `ModelNotAvailable` where the device has no such way."""
    reasons = possible_quantisations(device)
    if kind not in reasons:
        raise InputError(f"There is no quantisation '{kind}'.", hint=f"Choose one of: {', '.join(reasons)}.")
    if reasons[kind]:
        raise ModelNotAvailable(
            f"A model cannot be loaded in {kind} on '{device}': {reasons[kind]}.",
            hint="Choose another quantisation or device, or set none.",
        )


def quantise(model: Any, kind: str, device: str) -> Quantised:
    """Put the linear layers of `model` into fewer bits, in place. Raises as `check_quantisation` does."""
    check_quantisation(kind, device)
    before = weight_bytes(model)
    chosen, kept = _choose_layers(model)
    method = _to_int8(model, chosen) if device == "cpu" else _by_torchao(model, chosen, kind)
    return Quantised(kind, method, len(chosen), kept, before, weight_bytes(model))


def weight_bytes(model: Any) -> int:
    """Bytes of a model's weights; tied ones are counted once."""
    tensors: dict[int, int] = {parameter.data_ptr(): parameter.nbytes for parameter in model.parameters()}
    layers: list[int] = [module.nbytes for module in model.modules() if type(module).__name__ == "Int8Linear"]
    return sum(tensors.values()) + sum(layers)


def _choose_layers(model: Any) -> tuple[list[str], tuple[str, ...]]:
    """Paths of the linear layers to change, and the last parts of the names of those that stay."""
    import torch

    output = model.get_output_embeddings()
    wide = tuple(getattr(model, "_keep_in_fp32_modules", None) or ())
    chosen, kept = [], set()
    for path, module in model.named_modules():
        if not (isinstance(module, torch.nn.Linear) or type(module).__name__ == "Conv1D"):
            continue
        name = path.rpartition(".")[2]
        if module is output or name in wide:
            kept.add(name)
        else:
            chosen.append(path)
    return chosen, tuple(sorted(kept))


def _to_int8(model: Any, paths: list[str]) -> str:
    from core.models.int8 import Int8Linear, kernel

    for path in paths:
        parent, _, name = path.rpartition(".")
        layer = model.get_submodule(path)
        weight = layer.weight.t() if type(layer).__name__ == "Conv1D" else layer.weight  # Conv1D: (in, out)
        setattr(model.get_submodule(parent), name, Int8Linear(weight, layer.bias))
    for parameter in model.parameters():  # those left are still views of the file that was mapped into memory
        parameter.data = parameter.data.clone()
        parameter.requires_grad_(False)
    return f"{kernel()}, inputs in 16 bits"


def _by_torchao(model: Any, paths: list[str], kind: str) -> str:
    from torchao.quantization import Int4WeightOnlyConfig, Int8WeightOnlyConfig, quantize_

    chosen = set(paths)
    config = Int8WeightOnlyConfig() if kind == "int8" else Int4WeightOnlyConfig()
    quantize_(model, config, filter_fn=lambda _module, path: path in chosen)
    return "torchao, weights alone"
