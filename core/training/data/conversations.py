"""Conversations as they are written down: messages, ShareGPT turns, prompts with history, transcripts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from core.errors import InputError
from core.prompts.messages import Role
from core.training.data.records import Turn

_ROLES: Mapping[str, Role] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "用户": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "助手": "assistant",
}
_SPEAKER = re.compile(r"(?:\A|\n\n)\s*(Human|Assistant):[ \t]?")


def chat_of(messages: object, *, system: object = None) -> tuple[Turn, ...]:
    """Turns of `[{"role", "content"}, …]` or `[{"from", "value"}, …]`, or of a transcript; `system` goes first.

    Raises:
        InputError: an unknown role, an empty turn, a system turn later than first, two turns of one side in a row.
    """
    turns = _transcript(messages) if isinstance(messages, str) else _turns(messages)
    if system is not None and turns[0].role != "system":
        turns = (Turn("system", _text(system, "the system prompt")), *turns)
    _check_order(turns)
    return turns


def conversation(prompt: object, *, system: object = None, history: object = None) -> tuple[Turn, ...]:
    """The turns a prompt consists of: a text is the user's turn, after `history` (`[[question, answer], …]`)."""
    if isinstance(prompt, list):
        turns = chat_of(prompt, system=system)
    elif isinstance(prompt, str) and _SPEAKER.match(prompt):
        turns = chat_of(prompt.rstrip().removesuffix("Assistant:").rstrip(), system=system)
    else:
        turns = (*_history(history), Turn("user", _text(prompt, "the prompt")))
        if system is not None:
            turns = (Turn("system", _text(system, "the system prompt")), *turns)
    if turns[-1].role != "user":
        raise InputError("the prompt does not end with the user's turn")
    return turns


def answers_after_prompt(
    prompt: object, chosen: object, rejected: object, *, system: object = None
) -> tuple[tuple[Turn, ...], str, str]:
    """Prompt, chosen and rejected answer.

    Where the answers are whole conversations (transcripts or lists of messages), what they begin with in common is the
    prompt, and each must add one answer of the assistant's. With a prompt given beside them, whole conversations must
    begin with it.
    """
    whole = [_whole(chosen), _whole(rejected)]
    if whole[0] is None or whole[1] is None:
        if prompt is None:
            raise InputError("no prompt, and the answers are not whole conversations")
        return conversation(prompt, system=system), _text(chosen, "'chosen'"), _text(rejected, "'rejected'")
    one, other = whole[0], whole[1]
    if len(one) == len(other) == 1 and prompt is not None and one[0].role == other[0].role == "assistant":
        return conversation(prompt, system=system), one[0].content, other[0].content
    if one[:-1] != other[:-1]:
        raise InputError("the two conversations part before their last answer")
    if one[-1].role != "assistant" or other[-1].role != "assistant":
        raise InputError("a conversation does not end with the assistant's answer")
    turns = one[:-1]
    if system is not None and (not turns or turns[0].role != "system"):
        turns = (Turn("system", _text(system, "the system prompt")), *turns)
    if not turns or turns[-1].role != "user":
        raise InputError("there is no user's turn before the answer")
    _check_order(turns)
    stated = conversation(prompt, system=system) if prompt is not None else turns
    if stated[-1] != turns[-1]:
        raise InputError("the conversations do not go on from the prompt")
    return turns, one[-1].content, other[-1].content


def _whole(answer: object) -> tuple[Turn, ...] | None:
    if isinstance(answer, str):
        return _transcript(answer) if _SPEAKER.match(answer) and "Assistant:" in answer else None
    return _turns(answer)


def _transcript(text: str) -> tuple[Turn, ...]:
    """Turns of "Human: … Assistant: …", each speaker after a blank line."""
    marks = list(_SPEAKER.finditer(text))
    if not marks or text[: marks[0].start()].strip():
        raise InputError("the transcript does not begin with 'Human:' or 'Assistant:'")
    turns = []
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        content = text[mark.end() : following.start() if following else len(text)].strip()
        if not content:
            raise InputError(f"a turn of '{mark.group(1)}:' is empty")
        turns.append(Turn("user" if mark.group(1) == "Human" else "assistant", content))
    return tuple(turns)


def _turns(messages: object) -> tuple[Turn, ...]:
    if not isinstance(messages, list) or not messages:
        raise InputError("the messages are not a list of turns")
    return tuple(map(_turn, messages))


def _turn(message: Any) -> Turn:
    if not isinstance(message, Mapping):
        raise InputError("a message is not an object")
    name = str(message.get("role", message.get("from")))
    role = _ROLES.get(name.lower())
    if role is None:
        raise InputError(f"the role '{name}' is not system, user or assistant")
    return Turn(role, _text(message.get("content", message.get("value")), f"a turn of '{name}'"))


def _text(content: object, what: str) -> str:
    if isinstance(content, list):  # parts, of which only text can be trained on
        kinds = {part.get("type") if isinstance(part, Mapping) else None for part in content}
        if kinds != {"text"}:
            raise InputError(f"{what} has parts that are not text")
        content = "".join(str(part["text"]) for part in content if isinstance(part.get("text"), str))
    if not isinstance(content, str):
        raise InputError(f"{what} is {type(content).__name__}, not text")
    if not content.strip():
        raise InputError(f"{what} is empty")
    return content


def _history(history: object) -> tuple[Turn, ...]:
    if history is None:
        return ()
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise InputError("the history is not a list of [question, answer]")
    turns: list[Turn] = []
    for question, answer in history:
        turns.append(Turn("user", _text(question, "a question of the history")))
        turns.append(Turn("assistant", _text(answer, "an answer of the history")))
    return tuple(turns)


def _check_order(turns: tuple[Turn, ...]) -> None:
    rest = turns[1:] if turns[0].role == "system" else turns
    if not any(turn.role == "user" for turn in rest):
        raise InputError("there is no user's turn")
    previous = None
    for turn in rest:
        if turn.role == "system":
            raise InputError("a system turn stands later than first")
        if turn.role == previous:
            raise InputError(f"two turns of the {turn.role} stand in a row")
        previous = turn.role
