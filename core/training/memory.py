"""Whether a step fits into memory: measured before gradient checkpointing is switched on, which costs time.

What autograd keeps of a forward pass over a few hundred tokens is counted, storage by storage, and reckoned up to the
tokens that go through the model together. That is exact for what layers keep, and the same on every machine; what is
needed for a moment only, and what sampling keeps in its caches, is not counted. What the process held in fact stands in
the journal, step by step.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.training.narrow_casts import Kept, NarrowCasts
from core.training.token_logprobs import KEEP_BYTES

PEAK_MIB = "memory/resident_peak_mib"
_PROBE_TOKENS = 256
_USED = 0.9
"""The part of free memory that is planned with; the rest is for what is not counted."""
_OPTIMISER_BYTES = 12
"""Of a weight that learns, in addition to the weight: gradient and two moments in float32."""


@dataclass(frozen=True, slots=True)
class MemoryFit:
    """What a step was found to need.

    Attributes:
        bytes_per_token: that the trunk's layers keep for the backward pass.
        needed_bytes: of the largest piece, with gradients and moments, without checkpointing.
        free_bytes: on the device, when it was measured; None where that cannot be known.
        checkpointing: whether it was switched on.
    """

    bytes_per_token: float
    needed_bytes: int
    free_bytes: int | None
    checkpointing: bool

    def figures(self) -> Mapping[str, float]:
        """For the journal. Free memory is not among them: a journal is the same on every machine."""
        return {
            "memory/bytes_per_token": self.bytes_per_token,
            "memory/needed_gb": self.needed_bytes / 1e9,
            "memory/checkpointing": float(self.checkpointing),
        }


def fit_to_memory(model: Any, piece_tokens: int, *, device: str, free_bytes: int | None = None) -> MemoryFit:
    """Measure, and switch checkpointing on where a step would not fit otherwise.

    Args:
        model: a decoder of transformers, with what learns requiring gradients.
        piece_tokens: at most so many go through it together.
        free_bytes: of memory; default: what the device has free now.
    """
    free = free_memory_bytes(device) if free_bytes is None else free_bytes
    per_token = kept_bytes_per_token(model, device)
    config = model.config.get_text_config(decoder=True)
    kept_logits = min(
        KEEP_BYTES, piece_tokens * config.vocab_size * model.get_output_embeddings().weight.element_size()
    )
    learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    needed = round(piece_tokens * per_token) + kept_logits + learning * _OPTIMISER_BYTES
    wanted = free is not None and needed > _USED * free
    if wanted:
        switch_checkpointing_on(model)
    return MemoryFit(per_token, needed, free, wanted)


def planned_bytes_per_token(model: Any, number_bytes: int, *, whole: bool) -> float:
    """About what `kept_bytes_per_token` will be, from the shapes of the layers; `model` may be without weights.

    A layer keeps what its matrices give, what the activation makes of the widest, what attention gives and its norms
    were given (for GPT-2, 16 numbers for each of a state's; Korthikanti et al. 2022, equation 1, has 17). Where all
    weights learn (`whole`), what a gate made of the widest and what the norms give are kept, too. With an adapter on
    attention that is 1 % less than was counted for SmolLM2-135M in bfloat16; for GPT-2 half as much again.
    """
    text = model.config.get_text_config(decoder=True)
    layers, states = int(text.num_hidden_layers), int(text.hidden_size)
    modules = model.base_model.modules()
    given: list[int] = [getattr(one, "out_features", None) or getattr(one, "nf", None) or 0 for one in modules]
    gated = given.count(max(given)) >= 2 * layers
    each = max(given) + 3 * states + (max(given) + 2 * states if whole and gated else 0)
    return number_bytes * (sum(given) + layers * each)


def kept_bytes_per_token(model: Any, device: str) -> float:
    """Bytes that autograd keeps of a token in the trunk, the model's own weights not counted."""
    import torch

    config = model.config.get_text_config(decoder=True)
    tokens = min(_PROBE_TOKENS, getattr(config, "max_position_embeddings", None) or _PROBE_TOKENS)
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    casts = NarrowCasts()

    def count(tensor: torch.Tensor) -> Kept:
        found = casts.keep(tensor)
        storage = (found[0] if isinstance(found, tuple) else found).untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return found

    ids = torch.zeros(1, tokens, dtype=torch.long, device=device)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(count, casts.widened):
        output = model.base_model(input_ids=ids, use_cache=False)  # held until the count is done
    del output
    return sum(kept.values()) / tokens


def switch_checkpointing_on(model: Any) -> None:
    """Layers keep their input alone and compute the rest again in the backward pass.

    transformers does so in training mode only; the layers themselves, not what is in them, are put into it, so that
    dropout stays as it is.
    """
    model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    for module in model.modules():
        if getattr(module, "gradient_checkpointing", False):
            module.training = True


def resident_memory() -> dict[str, float]:
    """What this process holds now, and the most that it ever held, in MiB, for the journal; nothing where the system
    does not say."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as stream:
            found = dict(line.split(":", 1) for line in stream)
        names = {"memory/resident_mib": "VmRSS", PEAK_MIB: "VmHWM"}
        return {name: int(found[key].split()[0]) / 1024 for name, key in names.items()}
    except (OSError, KeyError):
        return {}


def free_memory_bytes(device: str) -> int | None:
    """Of the device; None where the system does not say."""
    if device.startswith("cuda"):
        import torch

        free, _ = torch.cuda.mem_get_info()
        return int(free)
    if device != "cpu" or "SC_AVPHYS_PAGES" not in os.sysconf_names:
        return None
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:  # counts what the page cache would give back
            found = dict(line.split(":", 1) for line in stream)
        return int(found["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
