"""Between messages and token ids: the model's chat template, its special tokens, its end marks."""

from __future__ import annotations

import re
import threading
import warnings
from dataclasses import dataclass
from typing import Any

from core.config import settings
from core.prompts.chat_formats import PLAIN, ChatFormat, find_chat_format, format_of_family
from core.prompts.messages import Message, Prompt, RawText, as_messages

_END_MARKS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "</s>")
"""Marks that end a turn or a text in the model families the catalogue has; files often name only one of them."""
AUTO = "auto"
"""The setting that leaves the format to the tokenizer and the model's family."""


@dataclass(frozen=True, slots=True)
class FormatChoice:
    """How conversations are written for a model, and why so; `format` is None where its own template writes them."""

    format: ChatFormat | None
    reason: str

    @property
    def name(self) -> str:
        return self.format.name if self.format else "own template"


def choose_format(tokenizer: Any, model_type: str, wanted: str = AUTO) -> FormatChoice:
    """The format named `wanted`; for "auto" the tokenizer's own template, else the one its family is known to use.

    A model with neither gets its turns without marks, and a `RuntimeWarning` says so; so does the family's format,
    since a base model of the family was never taught it. Raises `UnknownName` for a format there is not.
    """
    if wanted != AUTO:
        return FormatChoice(find_chat_format(wanted), "chosen by name")
    if tokenizer.chat_template:
        return FormatChoice(None, "the tokenizer brings a chat template")
    found = format_of_family(model_type, tokenizer.get_vocab())
    if found is PLAIN:
        return FormatChoice(PLAIN, f"models of type '{model_type}' read a text, not a conversation")
    if found is None:
        reason = f"neither its tokenizer nor its type '{model_type or 'unknown'}' names a chat format"
    else:
        reason = (
            f"its tokenizer brings no chat template; '{found.name}' is what its type '{model_type}' is known to use"
        )
    choice = FormatChoice(found or PLAIN, reason)
    name = getattr(tokenizer, "name_or_path", "") or "the model"
    warnings.warn(
        f"Prompts of '{name}' are written in the format '{choice.name}': {reason}. Set TRIVIUM_CHAT_FORMAT to choose.",
        RuntimeWarning,
        stacklevel=3,
    )
    return choice


class ChatTokenizer:
    """A tokenizer with what generation needs from it."""

    def __init__(self, tokenizer: Any, model_type: str = "", *, chat_format: str | None = None) -> None:
        """Raises `UnknownName` for a `chat_format` there is not; None takes the one in the settings.

        Args:
            model_type: as in the model's `config.json`; used where the tokenizer has no template.
        """
        self._tokenizer = tokenizer
        self.choice = choose_format(tokenizer, model_type, chat_format or settings().chat_format)
        self._turn = threading.Lock()  # a fast tokenizer refuses a second thread while its options are set
        marks = {str(token) for token in tokenizer.get_added_vocab()} | set(tokenizer.all_special_tokens)
        marks |= set(self.choice.format.marks if self.choice.format else ())
        pattern = "|".join(re.escape(mark) for mark in sorted(marks, key=len, reverse=True) if len(mark) > 1)
        self._marks = re.compile(pattern) if pattern else None

    @property
    def padding_id(self) -> int:
        """Any valid id: padded places are masked."""
        return int(self._tokenizer.pad_token_id or 0)

    def end_ids(self, model: Any) -> set[int]:
        """Ids that end a completion."""
        named = getattr(model.generation_config, "eos_token_id", None)
        ids = set(named if isinstance(named, list) else [named])
        ids.add(self._tokenizer.eos_token_id)
        vocabulary = self._tokenizer.get_added_vocab()
        stops = self.choice.format.stops if self.choice.format else ()
        ids.update(vocabulary[mark] for mark in (*_END_MARKS, *stops) if mark in vocabulary)
        return {int(number) for number in ids if number is not None}

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Ids of the prompt, up to where the model has to go on.

        The marks that structure a chat are written by the template alone: where a message contains one, it is broken
        up, so that quoted text cannot end its own turn and begin another. In the plain format the text is continued.
        A last turn of the assistant's is the beginning of its answer, and is continued.
        """
        if isinstance(prompt, RawText):
            return self._ids(str(prompt), special=True)
        messages = [self.harmless(message) for message in as_messages(prompt)]
        if self.choice.format is PLAIN:
            return self._ids(PLAIN.render(messages), special=True)
        begun = messages.pop()["content"] if messages[-1]["role"] == "assistant" and len(messages) > 1 else ""
        return self._ids(self._written(messages) + begun, special=False)  # any begin mark has been written already

    def _written(self, messages: list[Message]) -> str:
        if self.choice.format is None:
            text: str = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            return text
        begin, end = (str(mark or "") for mark in (self._tokenizer.bos_token, self._tokenizer.eos_token))
        return self.choice.format.render(messages, begin_mark=begin, end_mark=end)

    def continuation_ids(self, text: str) -> list[int]:
        """Ids of a text that follows something."""
        return self._ids(text, special=False)

    def offsets(self, text: str) -> list[int]:
        """Where in `text` each of its `continuation_ids` begins; empty with a tokenizer that cannot say."""
        if not self._tokenizer.is_fast:
            return []
        with self._turn:
            encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return [start for start, _ in encoded["offset_mapping"]]

    def decode(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def _ids(self, text: str, *, special: bool) -> list[int]:
        with self._turn:
            return list(self._tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"])

    def harmless(self, message: Message) -> Message:
        """The message with every mark in it broken up."""
        if self._marks is None:
            return message
        broken = self._marks.sub(lambda found: f"{found.group()[0]} {found.group()[1:]}", message["content"])
        return {"role": message["role"], "content": broken}
