"""What the readers and scores have to say, in both languages: a key with its values, put into words when shown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

MESSAGES_FILE = Path(__file__).with_name("messages.yaml")


Value = str | tuple[str, str]
"""What fills a place of a text: the same in both languages, or `(English, Chinese)`."""


@dataclass(frozen=True, slots=True)
class Message:
    """A remark. `values` fill the places `{0}`, `{1}` … of the text of `key`."""

    key: str
    values: tuple[Value, ...] = ()

    def text(self, language: str = "en") -> str:
        chosen = [value if isinstance(value, str) else value[language == "zh"] for value in self.values]
        return message_texts()[self.key][language].format(*chosen)


def say(key: str, *values: object) -> Message:
    """The remark `key`; a pair among `values` is `(English, Chinese)`, anything else is turned into text."""
    return Message(key, tuple(value if isinstance(value, tuple) else str(value) for value in values))


@cache
def message_texts() -> dict[str, dict[str, str]]:
    """Texts by key, then by language."""
    return yaml.safe_load(MESSAGES_FILE.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
