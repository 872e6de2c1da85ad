"""Tokens for dictionary matching: Latin words, numbers, single Chinese characters and marks, with their spans.

`norm` is what is compared. It levels case, accents, English plurals and British spelling, the same way in the
dictionary and in the text; it is a key, not a lemma ("diabetes" becomes "diabete" on both sides).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(r"[A-Za-z\u00c0-\u024f]+|\d+(?:\.\d+)?|[^\s\w]|\w")
_POSSESSIVE = re.compile(r"^['’]s$")
_BRITISH = (("aem", "em"), ("aes", "es"), ("oed", "ed"), ("oes", "es"), ("our", "or"), ("yse", "yze"))
_KEEPS_S = ("ss", "us", "is", "as", "os")
_FULL_WIDTH = {ord(full): ord(half) for full, half in zip("（）：；？！％＋－", "():;?!%+-", strict=True)}


@dataclass(frozen=True, slots=True)
class Token:
    """Characters `[start, end)`; `norm` is the form compared."""

    start: int
    end: int
    text: str
    norm: str

    @property
    def is_word(self) -> bool:
        return self.norm[:1].isalnum()


def tokenise(text: str) -> list[Token]:
    """All tokens of `text` in order; white space is dropped, an English possessive 's with its apostrophe too."""
    tokens: list[Token] = []
    matches = list(_TOKEN.finditer(text))
    skip = -1
    for index, match in enumerate(matches):
        if index == skip:
            continue
        word = match.group()
        if word in "'’" and index + 1 < len(matches):
            following = matches[index + 1]
            if following.start() == match.end() and following.group().lower() == "s" and tokens:
                skip = index + 1
                continue
        tokens.append(Token(match.start(), match.end(), word, normalise(word)))
    return tokens


@lru_cache(maxsize=65536)
def normalise(word: str) -> str:
    """The comparison form of one token."""
    if len(word) == 1:
        return word.translate(_FULL_WIDTH).lower()
    if not word[0].isalpha():
        return word
    word = "".join(c for c in unicodedata.normalize("NFKD", word.lower()) if not unicodedata.combining(c))
    word = _singular(word)
    for british, american in _BRITISH:
        word = word.replace(british, american)
    return word


def _singular(word: str) -> str:
    """Harman's s-stemmer (1991, JASIS 42:7) with the endings of Latin and Greek nouns kept."""
    if len(word) <= 3 or word.endswith(_KEEPS_S) or not word.endswith("s"):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    return word[:-1]
