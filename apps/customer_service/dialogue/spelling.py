"""Slips of the keyboard in English questions, mended towards the words of the knowledge base.

A word is mended only where nobody knows it: neither the articles nor the English encoder, whose vocabulary of some
20,000 whole words stands for a dictionary. So "loan", which no article of a bank without loans has, stays "loan" and is
not turned into "load". Distance: optimal string alignment (insert, delete, replace, swap neighbours), 1 for short words
and 2 from eight letters on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)?")
_SHORTEST = 3
_LONG = 8
_ENDINGS = ("s", "es", "ies", "ed", "d", "ing", "er", "ers", "ly", "ion", "ions", "'s", "’s", "n't", "n’t")


@dataclass(frozen=True, slots=True)
class Speller:
    """Mends words by a vocabulary.

    Attributes:
        vocabulary: words to mend towards, lower case, with how often they occur.
        known: further words that are right as they are.
    """

    vocabulary: Counter[str]
    known: frozenset[str]

    def mend(self, text: str) -> str:
        """`text` with unknown words replaced by the nearest word of the vocabulary, where one is near enough."""
        return _WORD.sub(lambda match: self._mend_word(match[0]), text)

    def _mend_word(self, word: str) -> str:
        lower = word.lower()
        if len(lower) < _SHORTEST or word.isupper() or self._is_word(lower):
            return word
        allowed = 2 if len(lower) >= _LONG else 1
        near = [
            (distance, -count, candidate)
            for candidate, count in self.vocabulary.items()
            if len(candidate) >= _SHORTEST
            and abs(len(candidate) - len(lower)) <= allowed
            and (distance := edit_distance(lower, candidate)) <= allowed
        ]
        return min(near)[2] if near else word

    def _is_word(self, word: str) -> bool:
        """Whether the word, or what it is an inflection of, is known."""
        stems = [word]
        for ending in _ENDINGS:
            if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST:
                stem = word[: -len(ending)]
                stems += [stem, stem + "e", stem + "y", stem[:-1] if stem[-1] == stem[-2] else stem]
        return any(stem in self.vocabulary or stem in self.known for stem in stems)


def speller(texts: Iterable[str], known: Iterable[str]) -> Speller:
    """A speller towards the words of `texts`."""
    vocabulary = Counter(match.lower() for text in texts for match in _WORD.findall(text))
    return Speller(vocabulary, frozenset(known))


def edit_distance(first: str, second: str) -> int:
    """Optimal string alignment distance (Boytsov 2011, "Indexing methods for approximate dictionary search")."""
    before: list[int] = []
    previous = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        current = [i]
        for j, b in enumerate(second, start=1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == second[j - 2] and first[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, previous = previous, current
    return previous[-1]
