"""What of a model learns: a LoRA adapter, all its weights, or none of them (a head on top does).

The same for decoders, encoders and encoder-decoders.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from core.errors import InputError
from core.models.adapter_config import Targets, lora_config
from core.models.adapter_set import AdapterSet
from core.models.loading import LoadedModel
from core.training.config import Config
from core.training.seeds import seeded

if TYPE_CHECKING:
    import torch

ADAPTER = "task"


class TrainableConfig(Config):
    """`rank`, `targets` and `dropout` are of the adapter, see `core.models.adapter_config.lora_config`."""

    weights: Literal["lora", "full", "none"] = "lora"
    rank: int = Field(16, ge=1, le=1024)
    targets: Targets = "attention"
    dropout: float = Field(0.0, ge=0, lt=1)


@dataclass(frozen=True, slots=True, eq=False)
class Trainable:
    """A model of which something learns.

    Attributes:
        parameters: what learns, by its name in the model.
        in_force: makes a context in which the adapter is on, for `SupervisedLearner` and for using what it learned.
        adapters: where the adapter is; None without one.
    """

    loaded: LoadedModel
    parameters: dict[str, torch.nn.Parameter]
    in_force: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    adapters: AdapterSet | None = None


def make_trainable(loaded: LoadedModel, config: TrainableConfig, *, seed: int) -> Trainable:
    """Make of `loaded` learn what `config` says; everything else is frozen.

    Raises:
        InputError: the model is quantised, or as `AdapterSet.create` does.
    """
    if loaded.quantised is not None:
        raise InputError(f"'{loaded.name}' is quantised and cannot be trained.", hint="Load it without quantisation.")
    model = loaded.model
    model.requires_grad_(config.weights == "full")
    if config.weights != "lora":
        return Trainable(loaded, _learning(model))
    adapters = AdapterSet(loaded)
    with seeded(seed, "adapter"):
        layers = lora_config(model, rank=config.rank, targets=config.targets, dropout=config.dropout)
        adapters.create(ADAPTER, layers)
    return Trainable(loaded, _learning(model), lambda: adapters.using(ADAPTER), adapters)


def _learning(model: Any) -> dict[str, torch.nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
