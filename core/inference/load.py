"""The generator in force, by name."""

from __future__ import annotations

import dataclasses
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import settings
from core.errors import ConfigError
from core.inference.generator import Generator, Sampling
from core.inference.hosted import is_hosted, open_hosted
from core.models.adapter_set import AdapterSet
from core.models.adapters import read_adapter
from core.models.catalogue import catalogue_entries
from core.models.hardware import Placement, choose_placement

if TYPE_CHECKING:
    from core.inference.chat_model import GeneratorChatModel

ENDPOINT = "endpoint"
_ONE_AT_A_TIME = threading.Lock()


def load_generator(name: str | None = None, *, adapter: str | Path | None = None) -> Generator:
    """The generator `name` (default: the settings `generator` and `adapter`), one instance a process.

    A model whose configuration says that it is an encoder-decoder (T5, BART) becomes a `Seq2SeqGenerator`.

    Args:
        name: a catalogue name, `owner/name` on the hub, a folder, a GGUF file, 'endpoint' (see the settings), or
            `provider:model` for a hosted model that LangChain reaches. `model+adapter` names an adapter too.
        adapter: name or folder of an adapter of the model; generators with different adapters share its weights.

    Raises:
        UnknownName, ModelNotAvailable, ModelFileMismatch: as `load_causal` and `AdapterSet.attach` do.
        ConfigError: 'endpoint' without an address or a model in the settings, or an adapter for a model elsewhere.
    """
    if name is None:
        name, adapter = settings().generator, adapter or settings().adapter
    if adapter is None:
        name, adapter = _split(name)
    if adapter is not None and (name == ENDPOINT or is_hosted(name)):
        raise ConfigError(
            f"The adapter '{adapter}' cannot be used with '{name}', which runs elsewhere.",
            hint="Name a local model, or an endpoint's model that has the adapter.",
        )
    if name == ENDPOINT:
        from core.inference.remote import RemoteGenerator

        return RemoteGenerator.from_settings(settings())
    if is_hosted(name):
        return open_hosted(name)
    chosen = read_adapter(adapter) if adapter is not None else None
    folder, version = (chosen.folder, tuple(chosen.card.files.values())) if chosen else (None, ())
    with _ONE_AT_A_TIME:
        here = (choose_placement(), settings().quantisation, settings().cache_dir)
        return _load_local(name, folder, version, *here)


def load_chat_model(name: str | None = None, sampling: Sampling | None = None) -> GeneratorChatModel:
    """The same as a LangChain `BaseChatModel`. Raises as `load_generator` does."""
    from core.inference.chat_model import GeneratorChatModel

    return GeneratorChatModel(generator=load_generator(name), sampling=sampling or Sampling())


def _split(name: str) -> tuple[str, str | None]:
    """Model and adapter of `model+adapter`; a plus in the name of a model that is here belongs to it."""
    model, plus, adapter = name.rpartition("+")
    if not (plus and model and adapter) or is_hosted(name) or Path(name.removeprefix("file:")).expanduser().exists():
        return name, None
    return model, adapter


@cache
def _load_local(
    name: str,
    adapter: Path | None,
    version: tuple[str, ...],
    placement: Placement,
    quantisation: str | None,
    cache_dir: Path,
) -> Generator:
    """The generator; `version` and `cache_dir` only tell apart what would otherwise look the same."""
    from core.inference.local import LocalGenerator
    from core.inference.seq2seq import Seq2SeqGenerator
    from core.models.family import family_of
    from core.models.loading import load_seq2seq
    from core.models.locate import locate

    entry = catalogue_entries().get(name)
    if (entry.kind if entry else family_of(locate(name).folder)) == "seq2seq":
        if quantisation:
            raise ConfigError(
                f"quantisation = '{quantisation}' is for causal models, and '{name}' is an encoder-decoder.",
                hint="Unset TRIVIUM_QUANTISATION, or choose another model.",
            )
        loaded = load_seq2seq(name, placement=placement)
        if adapter is not None:  # a copy of the model of its own, and the adapter is never switched
            adapters = AdapterSet(loaded)
            adapters.use(adapters.attach(adapter))
            loaded = dataclasses.replace(loaded, name=f"{loaded.name}+{adapters.active}")
        return Seq2SeqGenerator(loaded)
    adapters = _load_base(name, placement, quantisation, cache_dir)
    if adapter is None:
        return LocalGenerator(adapters.loaded, adapters=adapters)
    chosen = read_adapter(adapter)
    label = chosen.name if chosen.name not in adapters.names else f"{chosen.name}-{len(adapters.names)}"
    return LocalGenerator(adapters.loaded, adapters=adapters, adapter=adapters.attach(chosen, label))


@cache
def _load_base(name: str, placement: Placement, quantisation: str | None, _cache_dir: Path) -> AdapterSet:
    from core.models.loading import load_causal

    return AdapterSet(load_causal(name, placement=placement, quantisation=quantisation))
