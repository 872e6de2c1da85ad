"""Tokens for lexical search in Chinese and English."""

from __future__ import annotations

import re
import unicodedata

TOKENS_VERSION = 1
"""Raised whenever `lexical_tokens` changes, so that an index made with other tokens is rebuilt."""

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_PIECE = re.compile(rf"[{_HAN}]+|\d+(?:[.,]\d+)*|[^\W\d_{_HAN}]+(?:['’][^\W\d_{_HAN}]+)*")


def lexical_tokens(text: str) -> list[str]:
    """Search tokens of `text`, in order, repeated as often as they occur.

    Chinese runs give every character and every pair of neighbours, English gives lower-case words without the
    plural or possessive ending, numbers lose their thousands separators.
    """
    tokens: list[str] = []
    for match in _PIECE.finditer(unicodedata.normalize("NFKC", text).lower()):
        piece = match.group()
        if "\u3400" <= piece[0] <= "\ufaff" and not piece[0].isdigit():
            tokens.extend(piece)
            tokens.extend(piece[i : i + 2] for i in range(len(piece) - 1))
        elif piece[0].isdigit():
            tokens.append(piece.replace(",", ""))
        else:
            tokens.append(_singular(re.sub("['’](s$)?", "", piece)))
    return tokens


def _singular(word: str) -> str:
    """`word` without its plural ending: the S stemmer (Harman 1991, "How effective is suffixing?", table 1).

    Words of up to three letters ("is", "gas") stay as they are.
    """
    if len(word) < 4:
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    if word.endswith("s") and not word.endswith(("us", "ss")):
        return word[:-1]
    return word


_HAN_CHARACTER = re.compile(rf"[{_HAN}]")


def approximate_tokens(text: str) -> int:
    """About how many tokens a multilingual encoder makes of `text`: one for a Chinese character, one for four others.

    Checked against the tokenizer of multilingual-e5-small, see `tests/core/text/test_tokens.py`.
    """
    han = len(_HAN_CHARACTER.findall(text))
    return han + (len(text) - han + 3) // 4
