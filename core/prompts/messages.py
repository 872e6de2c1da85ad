"""Prompts as messages: the one form every generator understands, and the ways to give one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, cast

from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from core.errors import InputError

Role = Literal["system", "user", "assistant"]
_ROLES: Mapping[str, Role] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
}


class Message(TypedDict):
    """One turn."""

    role: Role
    content: str


class RawText(str):
    """A text the model continues as it is: no chat template, no turn around it."""

    __slots__ = ()


class _HasMessages(Protocol):
    """A LangChain prompt value."""

    def to_messages(self) -> Sequence[object]: ...


Prompt = str | Sequence[Message] | _HasMessages
"""A plain string is one user turn; `RawText` is continued as it is; anything else is turns."""


def as_messages(prompt: Prompt | Sequence[object]) -> list[Message]:
    """The turns of `prompt`; a LangChain message is a turn too.

    Raises:
        InputError: no turn, an unknown role, or content that is not text.
    """
    if isinstance(prompt, str):
        return [{"role": "user", "content": str(prompt)}]
    to_messages = getattr(prompt, "to_messages", None)
    turns = to_messages() if to_messages else cast("Sequence[object]", prompt)
    messages = [_message(turn) for turn in turns]
    if not messages:
        raise InputError("The prompt has no message.", hint="Give a text, or at least one turn.")
    return messages


def _message(turn: object) -> Message:
    if isinstance(turn, Mapping):
        role, content = turn.get("role"), turn.get("content")
    else:  # a LangChain message
        role, content = getattr(turn, "type", None), getattr(turn, "content", None)
    known = _ROLES.get(str(role))
    if known is None or not isinstance(content, str):
        raise InputError(
            f"A message has the role {role!r} and content of type {type(content).__name__}.",
            hint="Roles are system, user and assistant; content is text.",
        )
    return {"role": known, "content": content}
