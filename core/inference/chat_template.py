"""Between messages and token ids: the model's chat template, its special tokens, its end marks."""

from __future__ import annotations

import re
import threading
from typing import Any

from core.prompts.messages import Message, Prompt, RawText, as_messages

_END_MARKS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "</s>")
"""Marks that end a turn or a text in the model families the catalogue has; files often name only one of them."""


class ChatTokenizer:
    """A tokenizer with what generation needs from it."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._turn = threading.Lock()  # a fast tokenizer refuses a second thread while its options are set
        marks = {str(token) for token in tokenizer.get_added_vocab()} | set(tokenizer.all_special_tokens)
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
        ids.update(vocabulary[mark] for mark in _END_MARKS if mark in vocabulary)
        return {int(number) for number in ids if number is not None}

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Ids of the prompt, up to where the model has to go on.

        The marks that structure a chat are written by the template alone: where a message contains one, it is broken
        up, so that quoted text cannot end its own turn and begin another. Without a template the text is continued.
        A last turn of the assistant's is the beginning of its answer, and is continued.
        """
        if isinstance(prompt, RawText):
            return self._ids(str(prompt), special=True)
        messages = [self._harmless(message) for message in as_messages(prompt)]
        if not self._tokenizer.chat_template:
            return self._ids("\n\n".join(message["content"] for message in messages), special=True)
        begun = messages.pop()["content"] if messages[-1]["role"] == "assistant" and len(messages) > 1 else ""
        text = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) + begun
        return self._ids(text, special=False)  # the template has written any begin mark itself

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
            return list(self._tokenizer(text, add_special_tokens=special)["input_ids"])

    def _harmless(self, message: Message) -> Message:
        if self._marks is None:
            return message
        broken = self._marks.sub(lambda found: f"{found.group()[0]} {found.group()[1:]}", message["content"])
        return {"role": message["role"], "content": broken}
