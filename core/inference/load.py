"""The generator in force, by name."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import settings
from core.inference.generator import Generator, Sampling
from core.inference.hosted import is_hosted, open_hosted
from core.models.hardware import Placement, choose_placement

if TYPE_CHECKING:
    from core.inference.chat_model import GeneratorChatModel

ENDPOINT = "endpoint"
_ONE_AT_A_TIME = threading.Lock()


def load_generator(name: str | None = None) -> Generator:
    """The generator `name` (default: the setting `generator`), one instance a process.

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
    from core.models.loading import load_causal

    return LocalGenerator(load_causal(name, placement=placement))
