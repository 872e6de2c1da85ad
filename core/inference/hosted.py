"""Hosted providers, and any other LangChain chat model, in the generator's place.

`load_generator("openai:gpt-5-mini")` and the like go through LangChain's `init_chat_model`; the provider's own package
must be installed and finds its key where it always does (for example in `OPENAI_API_KEY`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.errors import ConfigError, EndpointError, InputError, ModelNotAvailable
from core.inference.generator import GREEDY, Completion, ContinuationScore, Sampling
from core.prompts.messages import Message, Prompt, RawText, as_messages

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

    from core.progress import ProgressCallback

_PROVIDER = re.compile(r"(?!hf:|file:)[a-z][a-z_]+:[^\\/].*")
_AT_ONCE = 8
_CUT = ("length", "max_tokens", "MAX_TOKENS")


def is_hosted(name: str) -> bool:
    """Whether `name` is `provider:model`."""
    return _PROVIDER.fullmatch(name) is not None


def open_hosted(name: str) -> HostedGenerator:
    """The model `provider:model`.

    Raises:
        ModelNotAvailable: LangChain knows no such provider, or its package is not installed.
        ConfigError: the provider cannot be set up, for want of a key for example.
    """
    from langchain.chat_models import init_chat_model

    try:
        return HostedGenerator(name, init_chat_model(name))
    except ImportError as error:
        raise ModelNotAvailable(f"'{name}' needs a package: {error}", hint="Install it with pip.") from error
    except ValueError as error:
        if "provider" in str(error):
            raise ModelNotAvailable(
                f"LangChain knows no provider for '{name}'.", hint="Write provider:model."
            ) from None
        raise ConfigError(f"'{name}' cannot be set up.", hint="Check the provider's key.") from None
    except Exception as error:  # noqa: BLE001 - each provider has errors of its own; their texts may hold a key
        raise ConfigError(f"'{name}' cannot be set up: {type(error).__name__}.", hint="Check its key.") from None


@dataclass(frozen=True, slots=True, eq=False)
class HostedGenerator:
    """A LangChain chat model as a `Generator`. Seeds are not sent: few providers keep them. There are no logprobs."""

    name: str
    model: BaseChatModel = field(repr=False)

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling = GREEDY, progress: ProgressCallback | None = None
    ) -> list[Completion]:
        """`sampling.n` completions a prompt. Raises `InputError` for what no provider offers, `EndpointError`."""
        options = _options(sampling)
        asked = [_turns(prompt) for prompt in prompts for _ in range(sampling.n)]
        found: list[Completion] = []
        for first in range(0, len(asked), _AT_ONCE):
            inputs: list[Any] = asked[first : first + _AT_ONCE]
            try:
                replies = self.model.batch(inputs, {"max_concurrency": _AT_ONCE}, **options)
            except Exception as error:  # noqa: BLE001 - as above
                raise _failed(self.name, error) from None
            found += map(_completion, replies)
            if progress:
                progress(len(found), len(asked))
        return found

    def stream(self, prompt: Prompt, sampling: Sampling = GREEDY) -> Iterator[str]:
        """The text in pieces. Raises as `generate` does."""
        inputs: Any = _turns(prompt)
        try:
            for piece in self.model.stream(inputs, **_options(sampling)):
                if text := piece.text:
                    yield str(text)
        except Exception as error:  # noqa: BLE001 - as above
            raise _failed(self.name, error) from None

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[ContinuationScore]:
        """Raises `InputError`: hosted chat models do not score given texts."""
        raise InputError(f"'{self.name}' cannot score given texts.", hint="Use a local model for that.")


def _turns(prompt: Prompt) -> list[Message]:
    if isinstance(prompt, RawText):
        raise InputError("A hosted chat model does not continue raw text.", hint="Give it messages.")
    return as_messages(prompt)


def _options(sampling: Sampling) -> dict[str, Any]:
    plain = Sampling()
    for name in ("top_k", "min_p", "repetition_penalty", "beams", "constraint"):
        if getattr(sampling, name) != getattr(plain, name):
            raise InputError(f"Sampling: a hosted chat model takes no {name}.", hint="Leave it at its default.")
    options: dict[str, Any] = {"max_tokens": sampling.max_tokens, "temperature": sampling.temperature}
    if sampling.stop:
        options["stop"] = list(sampling.stop)
    if sampling.top_p < 1:
        options["top_p"] = sampling.top_p
    return options


def _completion(reply: BaseMessage) -> Completion:
    metadata = reply.response_metadata
    reason = metadata.get("finish_reason") or metadata.get("stop_reason")
    usage = getattr(reply, "usage_metadata", None) or {}
    return Completion(
        text=str(reply.text),
        finish_reason="length" if reason in _CUT else "stop",
        prompt_tokens=usage.get("input_tokens", 0),
        completion_tokens=usage.get("output_tokens", 0),
    )


def _failed(name: str, error: Exception) -> EndpointError:
    """Providers raise errors of their own, whose texts may hold keys or prompts: only the kind is passed on."""
    return EndpointError(f"'{name}' did not answer: {type(error).__name__}.", hint="Try again, or another model.")
