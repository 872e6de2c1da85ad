"""Adapters on a model in memory: attach, switch, take off.

The model's weights are never changed: peft puts a layer around each linear layer, and taking the last adapter off puts
the plain layers back. Any number of threads may run the model if each does so inside `holding`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from core.errors import InputError, ModelFileMismatch, UnknownName
from core.models.adapter_config import read_lora_config, unsupported
from core.models.adapters import (
    CONFIG,
    PREFIX,
    WEIGHTS,
    Adapter,
    AdapterCard,
    is_adapter_name,
    read_adapter,
    save_adapter,
)
from core.models.loading import LoadedModel

if TYPE_CHECKING:
    import torch


class AdapterSet:
    """The adapters of one loaded model, at most one of them in force at a time.

    A new set has none, and `active` is None: the bare model. One set a model: it does not see layers that others put
    in.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        """Raises `InputError` if the model has adapters already."""
        if hasattr(loaded.model, "peft_config"):
            raise InputError(f"'{loaded.name}' has adapters already.", hint="Use the set that attached them.")
        self.loaded = loaded
        self._lock = threading.RLock()
        self._tuner: Any = None
        self._layers: list[Any] = []
        self._names: list[str] = []
        self._active: str | None = None
        self._trainable: list[bool] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The attached adapters, in the order they came."""
        return tuple(self._names)

    @property
    def active(self) -> str | None:
        """The adapter in force; None for the bare model."""
        return self._active

    def attach(self, adapter: Adapter | str | Path, name: str | None = None, *, trainable: bool = False) -> str:
        """Put an adapter's layers into the model, without switching to it.

        Args:
            adapter: as it was read, or what `read_adapter` takes.
            name: to call it by, if not by its own name.
            trainable: with gradients, LoRA's weights in float32; otherwise in the model's own number format and frozen.

        Returns:
            The name.

        Raises:
            InputError: the name is taken.
            ModelFileMismatch: made for another base model, or its files are not those of its card.
            ModelNotAvailable, UnknownName: see `read_adapter`; or the adapter is no plain LoRA.
        """
        from safetensors.torch import load

        adapter = adapter if isinstance(adapter, Adapter) else read_adapter(adapter)
        self._refuse_other_base(adapter)
        name = name or adapter.name
        config = read_lora_config(adapter.read(CONFIG), str(adapter.folder / CONFIG))
        weights = {key.removeprefix(PREFIX): weight for key, weight in load(adapter.read(WEIGHTS)).items()}
        with self._lock:
            self.create(name, config, trainable=trainable)
            problem = self._fill(name, weights)
            if problem:
                self.detach(name)
                raise ModelFileMismatch(
                    f"The adapter in '{adapter.folder}' does not fit '{self.loaded.name}': {problem}.",
                    hint="Use the model it was made for.",
                )
        return name

    def create(self, name: str, config: Any, *, trainable: bool = True) -> str:
        """Put new layers into the model, without switching to them; they change nothing before they are trained.

        Args:
            name: to call them by.
            config: a `peft.LoraConfig`, see `core.models.adapter_config.lora_config`. The first weights come from
                torch's random numbers, so set its seed before.
            trainable: as for `attach`.

        Raises:
            InputError: the name is taken or cannot be used, no layer of the model is called so, or it is to be trained
                on a quantised model.
        """
        if name in self._names or not is_adapter_name(name):
            reason = "is taken" if name in self._names else "needs letters, digits, '-' and '_' only"
            raise InputError(f"The adapter name '{name}' {reason}.", hint="Give another name.")
        if trainable and self.loaded.quantised is not None:
            raise InputError(
                f"'{self.loaded.name}' is loaded in {self.loaded.quantised.kind} and cannot be trained.",
                hint="Load it without quantisation to train.",
            )
        if odd := unsupported(config.to_dict()):
            raise InputError(f"The adapter '{name}' asks for {', '.join(odd)}.", hint="Use plain LoRA or DoRA.")
        import torch

        with self._lock:
            model = self.loaded.model
            training = model.training
            try:
                self._inject(_peft_name(name), config)
            except ValueError as error:
                if self._tuner is not None:
                    self._tuner.peft_config.pop(_peft_name(name), None)
                reason = str(error).splitlines()[0]
                raise InputError(f"The adapter '{name}' cannot be put into '{self.loaded.name}': {reason}") from error
            self._names.append(name)
            for parameter in self.parameters(name):
                parameter.requires_grad_(trainable)
            if trainable:
                self._convert(_peft_name(name), torch.float32)
            elif self.loaded.quantised is not None:  # peft has no number format to take over from whole numbers
                self._convert(_peft_name(name), self.loaded.placement.torch_dtype)
            model.train(training)
            self._switch(self._active)
        return name

    def use(self, name: str | None) -> None:
        """Let `name` be in force from now on; None for the bare model. Raises `UnknownName`."""
        with self._lock:
            self._switch(name)

    @contextlib.contextmanager
    def using(self, name: str | None) -> Iterator[None]:
        """`name` in force inside the block, then what was before; other threads wait. Raises `UnknownName`."""
        with self._lock:
            before = self._active
            self._switch(name)
            try:
                yield
            finally:
                self._switch(before)

    def off(self) -> contextlib.AbstractContextManager[None]:
        """The bare model inside the block: the reference of a policy, without a second model in memory."""
        return self.using(None)

    def holding(self, name: str | None) -> Holding:
        """`using(name)` as an object that can be entered again and again."""
        return Holding(self, name)

    def detach(self, name: str) -> None:
        """Take the adapter out of the model; with the last one the plain layers are back. Raises `UnknownName`."""
        with self._lock:
            self._known(name)
            if self._active == name:
                self._switch(None)
            self._names.remove(name)
            if self._names:
                self._tuner.delete_adapter(_peft_name(name))
                self._layers = _adapter_layers(self.loaded.model)
                self._switch(self._active)
            else:
                self._remove_layers()

    def save(self, name: str, folder: str | Path, card: AdapterCard) -> Adapter:
        """Write the adapter `name`, see `save_adapter`. Raises `UnknownName` and as that does."""
        self._known(name)
        return save_adapter(self.loaded.model, folder, card, peft_name=_peft_name(name))

    def parameters(self, name: str) -> list[Any]:
        """The adapter's own weights, to be trained. Raises `UnknownName`."""
        self._known(name)
        part = f".{_peft_name(name)}"  # of an embedding's they stand bare in a dictionary
        named = self.loaded.model.named_parameters()
        return [weight for key, weight in named if f"{part}." in key or key.endswith(part)]

    def _inject(self, peft_name: str, config: Any) -> None:
        from peft.tuners.lora import LoraModel

        model = self.loaded.model
        if self._tuner is None:
            self._trainable = [parameter.requires_grad for parameter in model.parameters()]
            self._tuner = LoraModel(model, config, peft_name)
        else:
            self._tuner.peft_config[peft_name] = config
            self._tuner.inject_adapter(model, peft_name)
        self._layers = _adapter_layers(model)

    def _convert(self, peft_name: str, dtype: torch.dtype) -> None:
        """LoRA's weights alone: its layers convert what goes in and out, trained heads do not."""
        for key, parameter in self.loaded.model.named_parameters():
            if f".{peft_name}." in key and ".lora_" in key:
                parameter.data = parameter.data.to(dtype)

    def _fill(self, name: str, weights: dict[str, Any]) -> str:
        """Why `weights` are not those of the adapter's layers; empty if they are, and then the layers have them."""
        from peft import get_peft_model_state_dict, set_peft_model_state_dict

        model, peft_name = self.loaded.model, _peft_name(name)
        wanted = get_peft_model_state_dict(model, adapter_name=peft_name, save_embedding_layers=False)
        if missing := sorted(wanted.keys() - weights.keys()):
            return f"'{missing[0]}' is missing from its weights"
        if unknown := sorted(weights.keys() - wanted.keys()):
            return f"the model has no place for '{unknown[0]}'"
        for key, weight in weights.items():
            if weight.shape != wanted[key].shape:
                return f"'{key}' has shape {tuple(weight.shape)}, {tuple(wanted[key].shape)} is needed"
        set_peft_model_state_dict(model, weights, adapter_name=peft_name)
        return ""

    def _switch(self, name: str | None) -> None:
        """Say to each layer which adapter is in force.

        peft's own `set_adapter` and `enable_adapters` also set `requires_grad`, and gradients on their way to an
        adapter that is switched off just then would be lost.
        """
        if name is not None:
            self._known(name)
        chosen = [] if name is None else [_peft_name(name)]
        for layer in self._layers:  # not by assignment, which torch makes fifty times as slow
            vars(layer).update(_disable_adapters=name is None, _active_adapter=chosen)
        self._active = name

    def _remove_layers(self) -> None:
        self._switch(None)  # or peft would leave a head that the adapter has trained
        self._tuner.unload()
        self._tuner, self._layers = None, []
        for parameter, trainable in zip(self.loaded.model.parameters(), self._trainable, strict=True):
            parameter.requires_grad_(trainable)

    def _known(self, name: str) -> None:
        if name not in self._names:
            raise UnknownName("attached adapter", name, self._names)

    def _refuse_other_base(self, adapter: Adapter) -> None:
        if adapter.card.base_fingerprint != self.loaded.fingerprint:
            raise ModelFileMismatch(
                f"The adapter '{adapter.name}' was made for '{adapter.card.base}' with fingerprint "
                f"{adapter.card.base_fingerprint[:12]}…; this is '{self.loaded.name}' with "
                f"{self.loaded.fingerprint[:12]}….",
                hint=f"Attach it to '{adapter.card.base}', with the files it had then.",
            )


class Holding:
    """A context manager that keeps one adapter in force for its block, and other threads out; enter it any number of
    times."""

    def __init__(self, adapters: AdapterSet, name: str | None) -> None:
        self._adapters = adapters
        self._name = name
        self._open: list[contextlib.AbstractContextManager[None]] = []

    def __enter__(self) -> None:
        block = self._adapters.using(self._name)
        block.__enter__()
        self._open.append(block)  # safe: the set's lock is ours now

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.pop().__exit__(kind, error, trace)


def _peft_name(name: str) -> str:
    """What peft calls it: a part of module paths, which must not be that of any other module or attribute."""
    return f"adapter_{name}"


def _adapter_layers(model: Any) -> list[Any]:
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    return [module for module in model.modules() if isinstance(module, BaseTunerLayer | AuxiliaryTrainingWrapper)]
