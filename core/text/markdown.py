"""Text that goes into Markdown without formatting it."""

from __future__ import annotations

_ACTIVE = "\\`*_[]<>#|~$&!"


def escape_markdown(text: str) -> str:
    """`text` on one line, Markdown's active characters escaped, so that no document can format, link or embed."""
    return "".join(f"\\{char}" if char in _ACTIVE else char for char in " ".join(text.split()))
