"""What the readers and scores have to say, in both languages: a key with its values, put into words when shown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

MESSAGES_FILE = Path(__file__).with_name("messages.yaml")


@dataclass(frozen=True, slots=True)
class Message:
    """A remark. `values` fill the places `{0}`, `{1}` … of the text of `key`."""

    key: str
    values: tuple[str, ...] = ()

    def text(self, language: str = "en") -> str:
        return message_texts()[self.key][language].format(*self.values)


def say(key: str, *values: object) -> Message:
    """The remark `key` with `values` as text."""
    return Message(key, tuple(str(value) for value in values))


@cache
def message_texts() -> dict[str, dict[str, str]]:
    """Texts by key, then by language."""
    return yaml.safe_load(MESSAGES_FILE.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
