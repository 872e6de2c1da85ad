"""Finding dictionary phrases in text: longest match over a trie of normalised tokens.

A few milliseconds a note, whatever the size of the dictionary, since each position is followed only as far as some
phrase agrees. Hyphens, slashes and articles inside a phrase are passed over on both sides, so "short-stature" and
"abnormality of the eye" match "short stature" and "abnormality of eye".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from core.extraction.tokens import Token, tokenise
from core.text.spans import Span

LOOSE = frozenset(("-", "–", "‑", "/", "the", "a", "an", "'", "’"))  # as written: "A" may be a name


@dataclass(frozen=True, slots=True)
class TermMatch:
    """A phrase found: its place, the code it stands for, and the dictionary phrase it matched."""

    span: Span
    code: str
    phrase: str


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    entries: list[tuple[int, str, str, bool]] = field(default_factory=list)  # (priority, code, phrase, exact case)


class TermDictionary:
    """Phrases to codes. Where one phrase has several codes, the lowest priority number wins, then the first added."""

    def __init__(self, *, passed_over: frozenset[str] = LOOSE) -> None:
        """`passed_over`: tokens, as written, that phrases and text may differ by."""
        self._passed_over = passed_over
        self._root = _Node()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, phrase: str, code: str, *, priority: int = 0, exact_case: bool = False) -> None:
        """Add a phrase. `exact_case` is for abbreviations that are words in lower case ("ALL", "AIDS")."""
        norms = [token.norm for token in tokenise(phrase) if token.text not in self._passed_over]
        if not norms:
            return
        node = self._root
        for norm in norms:
            node = node.children.setdefault(norm, _Node())
        node.entries.append((priority, code, phrase, exact_case))
        node.entries.sort(key=lambda entry: entry[0])
        self._size += 1

    def find(self, text: str) -> list[TermMatch]:
        """Matches in `text`, leftmost first, each as long as possible, none overlapping another."""
        return self.find_in(text, tokenise(text))

    def find_in(self, text: str, tokens: Sequence[Token]) -> list[TermMatch]:
        """`find` on tokens of `text` that are already there."""
        found: list[TermMatch] = []
        index = 0
        while index < len(tokens):
            match, stop = self._longest(text, tokens, index)
            if match is None:
                index += 1
            else:
                found.append(match)
                index = stop
        return found

    def _longest(self, text: str, tokens: Sequence[Token], start: int) -> tuple[TermMatch | None, int]:
        node = self._root.children.get(tokens[start].norm)
        best: tuple[TermMatch | None, int] = (None, start + 1)
        index = start
        while node is not None:
            if node.entries:
                span = Span(tokens[start].start, tokens[index].end)
                entry = _fitting(node.entries, span.of(text))
                if entry:
                    best = (TermMatch(span, entry[1], entry[2]), index + 1)
            index += 1
            while (
                index < len(tokens)
                and tokens[index].text in self._passed_over
                and tokens[index].norm not in node.children
            ):
                index += 1
            node = node.children.get(tokens[index].norm) if index < len(tokens) else None
        return best

    def codes(self, phrase: str) -> list[str]:
        """Every code `phrase` was added with, best first."""
        node = self._root
        for token in tokenise(phrase):
            if token.text not in self._passed_over:
                if token.norm not in node.children:
                    return []
                node = node.children[token.norm]
        return list(dict.fromkeys(entry[1] for entry in node.entries))


def _fitting(entries: Iterable[tuple[int, str, str, bool]], surface: str) -> tuple[int, str, str, bool] | None:
    return next((entry for entry in entries if not entry[3] or surface == entry[2]), None)
