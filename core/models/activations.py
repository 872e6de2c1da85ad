"""Activations that a model writes out in several operations of torch, replaced by torch's single operation.

The families of GPT-2's time compute GELU's tanh form (Hendrycks and Gimpel 2016, section 2) in eight passes over the
widest tensors they have. One pass gives the same function, rounded once in place of eight times.
"""

from __future__ import annotations

from typing import Any

_WRITTEN_OUT = frozenset({"NewGELUActivation", "FastGELUActivation"})


def fuse_activations(model: Any) -> int:
    """Replace them in `model`; how many there were. Weights, and their names in files, stay as they are."""
    import torch

    count = 0
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child).__name__ in _WRITTEN_OUT:
                setattr(module, name, torch.nn.GELU(approximate="tanh"))
                count += 1
    return count
