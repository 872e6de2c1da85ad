"""Markdown with optional YAML front matter, and plain text."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from core.errors import UnreadableFile
from core.files import decode_text
from core.retrieval.blocks import heading_title
from core.retrieval.formats.parsed import Parsed

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_FIRST_HEADING = re.compile(r"^ {0,3}#[ \t][^\n]*", re.MULTILINE)
_MAX_FRONT_MATTER_CHARACTERS = 64 * 1024


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases: a few nested ones can stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed", mark)
        return super().compose_node(parent, index)


def read_markdown(data: bytes, name: str) -> list[Parsed]:
    """Markdown text; front matter becomes metadata and is no part of the text.

    The title is that of the front matter, else the first heading of level one.
    """
    text, metadata = split_front_matter(decode_text(data, name), name)
    heading = _FIRST_HEADING.search(text)
    return [Parsed(text, metadata.get("title") or (heading_title(heading.group()) if heading else ""), metadata)]


def read_text(data: bytes, name: str) -> list[Parsed]:
    """Plain text as it is."""
    return [Parsed(decode_text(data, name))]


def split_front_matter(text: str, name: str) -> tuple[str, dict[str, str]]:
    """`text` without its front matter, and the front matter as strings.

    A list of scalars becomes one item a line, anything nested becomes JSON. What stands between two `---` lines and is
    no mapping is text.

    Raises:
        UnreadableFile: the front matter is no valid YAML, uses aliases, or is unreasonably long or deep.
    """
    found = _FRONT_MATTER.match(text)
    if not found:
        return text, {}
    if len(found.group(1)) > _MAX_FRONT_MATTER_CHARACTERS:
        raise UnreadableFile(f"The front matter of '{name}' is too long.", hint="Keep it below 64 KiB.")
    try:
        values = yaml.load(found.group(1), Loader=_PlainLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an impossible date such as 2024-13-45
        raise UnreadableFile(
            f"The front matter of '{name}' is not valid YAML: {_where(error)}.", hint="Quote values that hold a colon."
        ) from error
    except RecursionError as error:
        raise UnreadableFile(f"The front matter of '{name}' is nested too deeply.", hint="Flatten it.") from error
    if not isinstance(values, dict):
        return text, {}
    return text[found.end() :], {str(key): _as_string(value) for key, value in values.items()}


def _as_string(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in value):
        return "\n".join(" ".join(_as_string(item).split()) for item in value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _where(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 2}, {problem}" if mark else str(problem)
