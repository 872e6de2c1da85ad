"""Text generation with an encoder-decoder model on this machine: T5, mT5, FLAN-T5, BART, Pegasus and their like.

The encoder reads the prompt, the decoder writes the text from nothing. Everything else is as with a causal model: the
same loop draws the tokens, so sampling, beams, constraints, stop strings and seeds mean the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.errors import InputError, ModelNotAvailable
from core.inference.chat_template import AUTO, ChatTokenizer
from core.inference.encoder_decoder import EncoderDecoderForward
from core.inference.engine import batches
from core.inference.forward import Forward
from core.inference.generator import Sampling
from core.inference.local import LocalGenerator
from core.inference.request import Request, make_request
from core.models.family import longest_side
from core.models.hardware import BYTES_PER_NUMBER
from core.models.loading import LoadedModel
from core.prompts.chat_formats import PLAIN
from core.prompts.messages import Prompt, RawText, as_messages


class Seq2SeqGenerator(LocalGenerator):
    """An encoder-decoder model as a `Generator`. `name` says that it is one.

    Three things differ from a causal model: prompt and completion each may have `context_tokens`; the repetition
    penalty looks at the completion alone, as words of the source are what a summary is made of; and an answer that is
    begun in the prompt cannot be gone on with. Messages are joined, as such models have no chat format.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        super().__init__(loaded)
        self._context_tokens = longest_side(loaded.model.config, loaded.tokenizer.model_max_length)
        self._way = EncoderDecoderForward(
            loaded.model,
            begin=_begin(loaded),
            padding=self._chat.padding_id,
            device=loaded.placement.device,
        )

    def _tokenizer_of(self, loaded: LoadedModel) -> ChatTokenizer:
        own = bool(loaded.tokenizer.chat_template)
        return ChatTokenizer(loaded.tokenizer, chat_format=AUTO if own else PLAIN.name)

    @property
    def name(self) -> str:
        """Name of the model as it was asked for, and its kind."""
        return f"{self._loaded.name} (encoder-decoder)"

    def _forward(self, tokens: int) -> Forward:
        return self._way

    def _batches(self, requests: Sequence[Request], rows_each: int = 1) -> Iterator[list[Request]]:
        config = self._model.config.get_text_config(decoder=True)
        number_bytes = BYTES_PER_NUMBER[self._loaded.placement.dtype]
        return batches(requests, config, number_bytes, rows_each=rows_each, prompts_shared=False)

    def _request(self, prompt_ids: list[int], copy: int, sampling: Sampling) -> Request:
        import torch

        request = make_request(
            prompt_ids,
            copy,
            sampling,
            context_tokens=len(prompt_ids) + self._context_tokens,
            decode=self._chat.decode,
            matcher=self._grammars.matcher(sampling.constraint) if sampling.constraint else None,
        )
        if sampling.repetition_penalty != 1:
            vocabulary = self._model.config.get_text_config(decoder=True).vocab_size
            request.seen = torch.zeros(vocabulary, dtype=torch.bool, device=self._loaded.placement.device)
            request.seen[self._way.begin] = True
        return request

    def _prompt_ids(self, prompt: Prompt) -> list[int]:
        if not isinstance(prompt, RawText) and as_messages(prompt)[-1]["role"] == "assistant":
            raise InputError(
                f"'{self.name}' cannot go on with an answer that is begun.", hint="End the prompt with a question."
            )
        return super()._prompt_ids(prompt)

    def _check_pair(self, prompt: list[int], continuation: list[int]) -> None:
        if not continuation:
            raise InputError("A continuation to score is empty.", hint="Give at least one character.")
        if len(continuation) > self._context_tokens:
            raise InputError(
                f"A continuation has {len(continuation):,} tokens; '{self.name}' can write {self._context_tokens:,}.",
                hint="Shorten it.",
            )


def _begin(loaded: LoadedModel) -> list[int]:
    """The tokens that every text of the model begins with and that nobody sees."""
    said = (loaded.model.generation_config, loaded.model.config)
    ids = [getattr(source, "decoder_start_token_id", None) for source in said]
    ids += [getattr(source, "bos_token_id", None) for source in said]
    start = next((number for number in ids if number is not None), None)
    if not isinstance(start, int):
        raise ModelNotAvailable(
            f"'{loaded.name}' does not say with which token its decoder begins.",
            hint="Its generation_config.json needs a decoder_start_token_id.",
        )
    forced = getattr(loaded.model.generation_config, "forced_bos_token_id", None)
    return [start] if forced is None else [start, int(forced)]
