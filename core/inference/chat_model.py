"""Any `Generator` as a LangChain chat model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field

from core.errors import InputError
from core.inference.generator import Completion, Generator, Sampling
from core.prompts.messages import as_messages

_SAMPLING_NAMES = frozenset({"max_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed"})


class GeneratorChatModel(BaseChatModel):
    """LangChain's view of a generator. `bind(temperature=…, max_tokens=…, stop=…)` changes the sampling of one use."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    generator: Any = Field(exclude=True, repr=False)
    sampling: Sampling = Sampling()

    @property
    def _llm_type(self) -> str:
        return "trivium"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self._source.name, "sampling": self.sampling}

    @property
    def _source(self) -> Generator:
        source: Generator = self.generator
        return source

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        (completion,) = self._source.generate([as_messages(messages)], self._sampling(stop, kwargs))
        return ChatResult(generations=[ChatGeneration(message=self._message(completion))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for piece in self._source.stream(as_messages(messages), self._sampling(stop, kwargs)):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
            if run_manager:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="", response_metadata={"model_name": self._source.name}, chunk_position="last"
            )
        )

    def _sampling(self, stop: Sequence[str] | None, given: dict[str, Any]) -> Sampling:
        """Raises `InputError` for an option that is not one of `Sampling`."""
        unknown = sorted(set(given) - _SAMPLING_NAMES)
        if unknown:
            raise InputError(
                f"The chat model has no option '{unknown[0]}'.", hint=f"Options: {', '.join(sorted(_SAMPLING_NAMES))}."
            )
        options = {**given, "stop": stop} if stop else given
        return replace(self.sampling, n=1, **options)

    def _message(self, completion: Completion) -> AIMessage:
        return AIMessage(
            content=completion.text,
            response_metadata={"model_name": self._source.name, "finish_reason": completion.finish_reason},
            usage_metadata={
                "input_tokens": completion.prompt_tokens,
                "output_tokens": completion.completion_tokens,
                "total_tokens": completion.prompt_tokens + completion.completion_tokens,
            },
        )
