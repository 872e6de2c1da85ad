"""Conversations as token ids, and which of them are answers to be learnt.

The ids of a conversation are those its prompts have when answers are sampled: each answer is preceded by exactly what
`ChatTokenizer.prompt_ids` gives, and followed by the mark that ends a turn. An answer whose ids come out otherwise
within a longer conversation (a template that rewrites earlier turns, or a merge across the border) stays as context
and is not learnt, and is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from core.errors import InputError
from core.inference.chat_template import ChatTokenizer
from core.progress import ProgressCallback
from core.prompts.messages import Message
from core.training.data.packing import Ids, Mask
from core.training.data.records import Chat, Turn, as_messages

LearntAnswers = Literal["all", "last"]
_PROBE: tuple[Message, Message, Message] = (
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "b"},
    {"role": "user", "content": "c"},
)


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """What became of records when they were made into tokens.

    Attributes:
        sequences: records that gave one; `tokens` in them, of which `learnt` are answers.
        truncated: sequences cut at the limit; `tokens_cut`: tokens lost by it.
        unanswered: records without an answer, which give no sequence.
        answer_cut_off: records whose every answer lies beyond the limit, which give no sequence.
        answers_kept_as_context: earlier answers that are not learnt, see the module.
    """

    records: int
    sequences: int
    tokens: int
    learnt: int
    truncated: int = 0
    tokens_cut: int = 0
    unanswered: int = 0
    answer_cut_off: int = 0
    answers_kept_as_context: int = 0

    def describe(self) -> str:
        """One line for people; what was lost is said only where something was."""
        lost = {
            f"truncated ({self.tokens_cut} tokens cut)": self.truncated,
            "left out without an answer": self.unanswered,
            "left out, the answer beyond the limit": self.answer_cut_off,
            "earlier answers not learnt": self.answers_kept_as_context,
        }
        line = f"{self.sequences} sequences of {self.records} records, {self.tokens} tokens, {self.learnt} learnt"
        return "; ".join([line, *(f"{count} {what}" for what, count in lost.items() if count)])


@dataclass(frozen=True, slots=True, eq=False)
class TokenSequences:
    """Sequences, which of their tokens are learnt, and the ids of the records they are of."""

    ids: Sequence[Ids]
    learnt: Sequence[Mask]
    records: Sequence[str]
    counts: TokenCounts

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, eq=False)
class EncodedChat:
    """One conversation: ids, which of them are learnt, and how many answers are kept as context alone."""

    ids: Ids
    learnt: Mask
    context_answers: int


class ChatEncoder:
    """Makes ids of conversations for one model's tokenizer."""

    def __init__(self, tokenizer: Any, model_type: str = "") -> None:
        """Raises `InputError` for a tokenizer without any mark that could end an answer."""
        self.chat = ChatTokenizer(tokenizer, model_type)
        self.end_id = _end_of_answer(self.chat, tokenizer)

    def prompt(self, turns: Sequence[Turn]) -> list[int]:
        """Ids of a prompt, up to where the model goes on."""
        return self.chat.prompt_ids(as_messages(tuple(turns)))

    def answer(self, text: str) -> list[int]:
        """Ids of an answer and the mark that ends it."""
        broken = self.chat.harmless({"role": "assistant", "content": text})["content"]
        return [*self.chat.continuation_ids(broken), self.end_id]

    def encode(self, turns: Sequence[Turn], learnt_answers: LearntAnswers = "all") -> EncodedChat:
        """A conversation that ends with an answer; "last" learns that one alone. Raises `InputError` if it does not."""
        if not turns or turns[-1].role != "assistant":
            raise InputError("The conversation does not end with an answer.")
        prompt, last = self.prompt(turns[:-1]), self.answer(turns[-1].content)
        ids = np.array([*prompt, *last], dtype=np.int32)
        learnt = np.zeros(len(ids), dtype=bool)
        learnt[len(prompt) :] = True
        context = 0
        if learnt_answers == "all":
            for place, turn in enumerate(turns[:-1]):
                if turn.role == "assistant":
                    before, answer = self.prompt(turns[:place]), self.answer(turn.content)
                    end = len(before) + len(answer)
                    if prompt[:end] == before + answer:
                        learnt[len(before) : end] = True
                    else:
                        context += 1
        return EncodedChat(ids, learnt, context)


def _end_of_answer(chat: ChatTokenizer, tokenizer: Any) -> int:
    """The mark the template writes after an answer, else the tokenizer's end of text."""
    begun = [*chat.prompt_ids(_PROBE[:1]), *chat.continuation_ids(_PROBE[1]["content"])]
    whole = chat.prompt_ids(_PROBE)
    marks = set(tokenizer.get_added_vocab().values()) | set(tokenizer.all_special_ids)
    if whole[: len(begun)] == begun and len(whole) > len(begun) and whole[len(begun)] in marks:
        return int(whole[len(begun)])
    if tokenizer.eos_token_id is None:
        raise InputError(
            "The tokenizer has no mark that ends a text.", hint="Choose a model whose tokenizer names its eos_token."
        )
    return int(tokenizer.eos_token_id)


def chat_sequences(
    records: Iterable[Chat],
    encoder: ChatEncoder,
    max_tokens: int,
    *,
    learnt_answers: LearntAnswers = "all",
    progress: ProgressCallback | None = None,
) -> TokenSequences:
    """The conversations with an answer, cut on the right at `max_tokens`.

    A cut answer has no end mark, so the model does not learn to stop where the limit happened to be.

    Raises:
        InputError: no record gives a sequence.
    """
    chats = list(records)
    ids: list[Ids] = []
    masks: list[Mask] = []
    names: list[str] = []
    truncated = cut = unanswered = beyond = context = 0
    for done, chat in enumerate(chats, start=1):
        if progress:
            progress(done, len(chats))
        turns = chat.turns if chat.response is not None else _until_last_answer(chat.turns)
        if not turns:
            unanswered += 1
            continue
        encoded = encoder.encode(turns, learnt_answers)
        context += encoded.context_answers
        if not encoded.learnt[:max_tokens].any():
            beyond += 1
            continue
        truncated += len(encoded.ids) > max_tokens
        cut += max(0, len(encoded.ids) - max_tokens)
        ids.append(encoded.ids[:max_tokens])
        masks.append(encoded.learnt[:max_tokens])
        names.append(chat.id)
    if not ids:
        raise InputError(
            f"None of {len(chats)} conversations gives a sequence: {unanswered} have no answer, of {beyond} the answer "
            f"lies beyond {max_tokens} tokens.",
            hint="Raise max_tokens, or use conversations with answers.",
        )
    counts = TokenCounts(
        records=len(chats),
        sequences=len(ids),
        tokens=sum(map(len, ids)),
        learnt=int(sum(mask.sum() for mask in masks)),
        truncated=truncated,
        tokens_cut=cut,
        unanswered=unanswered,
        answer_cut_off=beyond,
        answers_kept_as_context=context,
    )
    return TokenSequences(ids, masks, names, counts)


def _until_last_answer(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    answers = [place for place, turn in enumerate(turns) if turn.role == "assistant"]
    return turns[: answers[-1] + 1] if answers else ()
