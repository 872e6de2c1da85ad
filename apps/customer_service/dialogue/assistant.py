"""The assistant: one object to ask, whatever shows its replies."""

from __future__ import annotations

import re
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apps.customer_service.dialogue.desk import Desk
from apps.customer_service.dialogue.graph import Phrase, State, build_graph, read_turns
from apps.customer_service.dialogue.records import Reply, Turn
from apps.customer_service.dialogue.wording import words
from core.config import settings
from core.errors import InputError, UnreadableFile
from core.files import write_atomic
from core.privacy import mask
from core.text import Language, detect_language

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

MAX_CHARACTERS = 2000
_CONVERSATION = re.compile(r"[\w.-]{1,64}")


def new_conversation() -> str:
    """An id that no conversation has yet."""
    return uuid.uuid4().hex[:12]


class Assistant:
    """Conversations over a desk, remembered in a SQLite file. Use `open_assistant`."""

    def __init__(self, desk: Desk, connection: sqlite3.Connection, phrase: Phrase | None = None) -> None:
        from langgraph.checkpoint.sqlite import SqliteSaver

        self.desk = desk
        self._saver = SqliteSaver(connection)
        self._saver.setup()
        self._graph = build_graph(desk, self._saver, phrase)

    def ask(self, said: str, conversation: str, *, language: Language | None = None, phrase: bool = False) -> Reply:
        """The reply to `said`, which is masked first and then added to the conversation.

        Where the conversation is handed over, its summary is written to `hand_over_file`.

        Args:
            language: answer in this one; that of `said` where None.
            phrase: let the language model rewrite the answer, if the assistant was opened with one.

        Raises:
            InputError: nothing was said, too much was said, or the id has odd characters.
        """
        said = _checked(said)
        masked = mask(said)
        shown = language or detect_language(said)
        kinds = ", ".join(dict.fromkeys(words(f"kind_{item.kind}", shown) for item in masked.found))
        state: State = {
            "said": masked.text,
            "asked_language": language,
            "phrase": phrase,
            "notices": [words("masked", shown, kinds=kinds)] if kinds else [],
        }
        result: dict[str, Any] = self._graph.invoke(state, _config(conversation), durability="exit")
        reply = Reply.model_validate(result["reply"])
        if reply.decision == "hand_over":
            write_atomic(hand_over_file(conversation), reply.summary + "\n")
        return reply

    def turns(self, conversation: str) -> list[Turn]:
        """The conversation so far; empty for a new one."""
        return read_turns(self._graph.get_state(_config(conversation)).values)

    def forget(self, conversation: str) -> None:
        """Delete the conversation from the store, and its hand-over."""
        self._saver.delete_thread(_checked_id(conversation))
        hand_over_file(conversation).unlink(missing_ok=True)


@contextmanager
def open_assistant(desk: Desk, store: Path | None = None, phrase: Phrase | None = None) -> Iterator[Assistant]:
    """An assistant whose conversations are kept in the SQLite file `store` (default: in the cache folder).

    Raises:
        UnreadableFile: the file is no SQLite database.
    """
    connection = connect(store or default_store())
    try:
        yield Assistant(desk, connection, phrase)
    finally:
        connection.close()


def forget_conversation(conversation: str, store: Path | None = None) -> None:
    """Delete a conversation and its hand-over from disk, without opening a desk."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    connection = connect(store or default_store())
    try:
        saver = SqliteSaver(connection)
        saver.setup()
        saver.delete_thread(_checked_id(conversation))
    finally:
        connection.close()
    hand_over_file(conversation).unlink(missing_ok=True)


def connect(store: Path) -> sqlite3.Connection:
    """A connection to the store, created where it is missing. Raises `UnreadableFile` for another kind of file."""
    store.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(store, check_same_thread=False, timeout=30)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise UnreadableFile(
            f"'{store}' cannot be used as the store of conversations: {error}.", hint="Move it away, or delete it."
        ) from error
    return connection


def default_store() -> Path:
    """Where conversations are kept."""
    return settings().cache_dir / "customer_service" / "conversations.sqlite"


def hand_over_file(conversation: str) -> Path:
    """Where the summary of a conversation that was handed over waits for the people who take over."""
    return settings().cache_dir / "customer_service" / "hand_overs" / f"{_checked_id(conversation)}.txt"


def _checked(said: str) -> str:
    said = said.strip()
    if not said:
        raise InputError("The question is empty.", hint="Ask for something.")
    if len(said) > MAX_CHARACTERS:
        raise InputError(
            f"The question has {len(said)} characters, the limit is {MAX_CHARACTERS}.", hint="Say it in fewer words."
        )
    return said


def _checked_id(conversation: str) -> str:
    if not _CONVERSATION.fullmatch(conversation):
        raise InputError(
            f"'{conversation}' cannot name a conversation.", hint="Use up to 64 letters, digits, '.', '_' or '-'."
        )
    return conversation


def _config(conversation: str) -> RunnableConfig:
    return {"configurable": {"thread_id": _checked_id(conversation)}}
