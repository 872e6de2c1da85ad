"""The generator in force, by name."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import settings
from core.inference.generator import Generator, Sampling
from core.inference.hosted import is_hosted, open_hosted
from core.models.catalogue import catalogue_entries
from core.models.hardware import Placement, choose_placement

if TYPE_CHECKING:
    from core.inference.chat_model import GeneratorChatModel

ENDPOINT = "endpoint"
_ONE_AT_A_TIME = threading.Lock()


def load_generator(name: str | None = None) -> Generator:
    """The generator `name` (default: the setting `generator`), one instance a process.

    A model whose configuration says that it is an encoder-decoder (T5, BART) becomes a `Seq2SeqGenerator`.

    Args:
        name: a catalogue name, `owner/name` on the hub, a folder, a GGUF file, 'endpoint' (see the settings), or
            `provider:model` for a hosted model that LangChain reaches.

    Raises:
        UnknownName, ModelNotAvailable, ModelFileMismatch: as `load_causal` does.
        ConfigError: 'endpoint' without an address or a model in the settings.
    """
    name = name or settings().generator
    if name == ENDPOINT:
        from core.inference.remote import RemoteGenerator

        return RemoteGenerator.from_settings(settings())
    if is_hosted(name):
        return open_hosted(name)
    with _ONE_AT_A_TIME:
        return _load_local(name, choose_placement(), settings().cache_dir)


def load_chat_model(name: str | None = None, sampling: Sampling | None = None) -> GeneratorChatModel:
    """The same as a LangChain `BaseChatModel`. Raises as `load_generator` does."""
    from core.inference.chat_model import GeneratorChatModel

    return GeneratorChatModel(generator=load_generator(name), sampling=sampling or Sampling())


@cache
def _load_local(name: str, placement: Placement, _cache_dir: Path) -> Generator:
    from core.inference.local import LocalGenerator
    from core.inference.seq2seq import Seq2SeqGenerator
    from core.models.family import family_of
    from core.models.loading import load_causal, load_seq2seq
    from core.models.locate import locate

    entry = catalogue_entries().get(name)
    if (entry.kind if entry else family_of(locate(name).folder)) == "seq2seq":
        return Seq2SeqGenerator(load_seq2seq(name, placement=placement))
    return LocalGenerator(load_causal(name, placement=placement))
