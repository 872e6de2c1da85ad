"""From tokens to text while they come: whole characters only, and never a piece of a stop string."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_INCOMPLETE = "\ufffd"
"""What a tokenizer's decoder puts for a character whose bytes are not all there yet."""


class TextStream:
    """Text that is safe to show so far. A token may be part of a character, a character part of a stop string.

    Decoding looks back a few tokens, because a token's text may depend on its neighbours (a leading space, bytes of one
    character spread over several tokens).
    """

    def __init__(self, decode: Callable[[list[int]], str], stop: Sequence[str] = ()) -> None:
        self._decode = decode
        self._stop = tuple(stop)
        self._ids: list[int] = []
        self._context_start = 0
        self._decoded_until = 0
        self._text = ""
        self._shown = 0
        self.stopped = False

    @property
    def text(self) -> str:
        """Everything so far, without the stop string."""
        return self._text

    def add(self, token: int) -> str:
        """Take one token; returns what can be shown in addition, often nothing. After a stop string nothing comes."""
        self._ids.append(token)
        piece = self._new_text()
        if piece.endswith(_INCOMPLETE):
            return ""
        self._context_start, self._decoded_until = self._decoded_until, len(self._ids)
        return self._show(piece)

    def finish(self) -> str:
        """The rest that was held back; a character that never became whole shows as a replacement mark."""
        if self.stopped:
            return ""
        self._append(self._new_text())
        self._decoded_until = len(self._ids)
        rest = self._text[self._shown :]
        self._shown = len(self._text)
        return rest

    def _new_text(self) -> str:
        context = self._decode(self._ids[self._context_start : self._decoded_until])
        return self._decode(self._ids[self._context_start :])[len(context) :]

    def _show(self, piece: str) -> str:
        self._append(piece)
        end = len(self._text) if self.stopped else len(self._text) - self._possible_stop()
        shown, self._shown = self._text[self._shown : end], max(end, self._shown)
        return shown

    def _append(self, piece: str) -> None:
        # A stop string may begin in text that is there already, but not in what was shown.
        searched_from = self._shown
        self._text += piece
        places = [place for stop in self._stop if (place := self._text.find(stop, searched_from)) >= 0]
        if places:
            self._text = self._text[: min(places)]
            self.stopped = True

    def _possible_stop(self) -> int:
        """Length of the longest end of the text that may yet become a stop string."""
        longest = 0
        for stop in self._stop:
            for length in range(min(len(stop) - 1, len(self._text)), longest, -1):
                if self._text.endswith(stop[:length]):
                    longest = length
                    break
        return longest
