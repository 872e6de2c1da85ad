"""The words of a sentence that carry its content: what stays when articles, particles and the like are left out."""

from __future__ import annotations

import re

from core.metrics.stemming import stem

HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
_TOKEN = re.compile(rf"[{HAN}](?=[{HAN}])|[^\W\d_{HAN}]+")
LITTLE_WORDS = frozenset(
    (
        *("a", "an", "the", "of", "to", "in", "on", "at", "by", "for", "from", "with", "and", "or", "as", "is", "are"),
        *("was", "were", "be", "been", "being", "it", "its", "this", "that", "these", "those", "he", "she", "they"),
        *("we", "you", "i", "his", "her", "their", "our", "your", "do", "does", "did", "has", "have", "had", "will"),
        *("would", "can", "could", "may", "might", "shall", "should", "must", "there", "which", "who", "any", "also"),
    )
)
_LITTLE_CHARACTERS = frozenset(
    "的了在是和与及或不有为之于以其而所被这那个中上下由从到将对等也都就则即曾并且但又因此后前时年月日"
    "零〇一二两三四五六七八九十百千万亿"
)


def content_tokens(text: str) -> list[str]:
    """Stems of English words and pairs of neighbouring Chinese characters, in order.

    Little words and numbers are left out: the latter are compared as values (`quantities`), however they are written.
    """
    tokens = []
    for match in _TOKEN.finditer(text):
        token = match[0].lower()
        if "\u3400" <= token <= "\u9fff":
            pair = text[match.start() : match.start() + 2]
            if _LITTLE_CHARACTERS.isdisjoint(pair):
                tokens.append(pair)
        elif token not in LITTLE_WORDS:
            tokens.append(stem(token))
    return tokens
