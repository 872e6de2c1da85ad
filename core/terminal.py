"""What a document's text may do in a terminal: be read, and nothing else.

ECMA-48 control sequences move the cursor, erase lines and rename windows; Unicode's marks of direction (UAX #9, section
2) show characters in another order than they are stored in. A file that is quoted must not do either.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TextIO

_KEPT = "\n\t"
_CONTROLS = [code for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in _KEPT]
_DIRECTIONS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_SURROGATES = range(0xD800, 0xE000)  # half characters, which no encoding of a terminal can write
_SHOWN_AS = dict.fromkeys((*_CONTROLS, *_DIRECTIONS, *_SURROGATES), "�")


def for_terminal(text: str) -> str:
    """`text` with a visible mark for each control character but line end and tab, and for each half character."""
    return text.translate(_SHOWN_AS)


def line_for_terminal(text: str, characters: int | None = None) -> str:
    """`for_terminal` on one line, each run of blanks one space; over `characters` it is cut and ends in "…"."""
    shown = " ".join(for_terminal(text).split())
    return shown if characters is None or len(shown) <= characters else f"{shown[:characters]}…"


class TerminalStream:
    """A text stream that writes text only as `for_terminal` has it to the one below; all else is that stream's."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(for_terminal(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
