"""How metrics cut texts into tokens: the WMT ways for BLEU, alphanumeric words for ROUGE, units for lengths.

The WMT rules never look across white space, so a batch cuts each distinct chunk between white space once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from core.metrics.stemming import stem

WmtStyle = Literal["13a", "zh"]

_ASCII_MARK = re.compile(r"[!-&(-+/:-@\[-`{-~]")
_POINT_AFTER_OTHER = re.compile(r"([^0-9])([,.])")
_POINT_BEFORE_OTHER = re.compile(r"([,.])([^0-9])")
_DASH_AFTER_DIGIT = re.compile(r"([0-9])-")
_PLAIN_CHUNK = re.compile(r"[^\W_]+")

# What counts as Chinese in the WMT rule is wider than Han: also full-width forms, general punctuation, symbols, kana
# extensions, and everything from U+2001 to U+2A6D, because two of its ranges were meant for characters past U+FFFF.
_WMT_CHINESE = (
    r"\u2001-\u2a6d\u2e80-\u2eff\u2f00-\u2fdf\u2ff0-\u303f\u3100-\u312f\u31a0-\u31ef\u3200-\u4db5\u4e00-\u9fbb"
    r"\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef"
)
_WMT_CHINESE_CHUNK = re.compile(rf"[{_WMT_CHINESE}]|[^\s{_WMT_CHINESE}]+")

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_HAS_HAN = re.compile(rf"[{_HAN}]")
_ROUGE_WORD = re.compile(r"[a-z0-9]+")
_ROUGE_CHINESE = re.compile(rf"[a-z0-9]+|[{_HAN}]")
_ASCII_GAPS = bytes(code if chr(code).isalnum() else 0x20 for code in range(128)).ljust(256)
_UNIT = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+(?:['’.,][^\W_{_HAN}]+)*")
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


def wmt_chunks(text: str, style: WmtStyle) -> list[str]:
    """The chunks of a text that `wmt_pieces` cuts further, one by one.

    The style is that of the WMT evaluations: mteval's rule for languages with white space ("13a"), or each Chinese
    character by itself ("zh").
    """
    return _chunks_13a(text.rstrip()) if style == "13a" else _chunks_zh(text)


def _chunks_13a(text: str) -> list[str]:
    text = text.replace("<skipped>", "").replace("-\n", "")
    if "&" in text:
        for entity, character in (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")):
            text = text.replace(entity, character)
    return text.split()


def _chunks_zh(text: str) -> list[str]:
    """The style looks beyond the ends of a chunk, but not of a text: there a line break says that nothing is beyond."""
    chunks: list[str] = _WMT_CHINESE_CHUNK.findall(text.strip())
    if chunks and chunks[0][0] in ",.":
        chunks[0] = "\n" + chunks[0]
    if chunks and chunks[-1][-1] in ",.":
        chunks[-1] += "\n"
    return chunks


def wmt_pieces(chunk: str) -> list[str]:
    """A chunk cut at ASCII marks; a point or comma stays between digits, a dash after anything but a digit."""
    if _PLAIN_CHUNK.fullmatch(chunk):
        return [chunk]
    before, after = ("" if chunk[end] == "\n" else " " for end in (0, -1))
    text = before + chunk.strip("\n") + after
    text = _ASCII_MARK.sub(r" \g<0> ", text)
    text = _POINT_AFTER_OTHER.sub(r"\1 \2 ", text)
    text = _POINT_BEFORE_OTHER.sub(r" \1 \2", text)
    return _DASH_AFTER_DIGIT.sub(r"\1 - ", text).split()


def rouge_tokens(texts: Sequence[str], *, stemmed: bool) -> list[list[str]]:
    """Lower-case runs of ASCII letters and digits, as in Lin's ROUGE 1.5.5; each Chinese character is a token too.

    With `stemmed`, words of more than three letters lose their English suffixes.
    """
    cut = [_rouge_words(text) for text in texts]
    if not stemmed:
        return cut
    stems = {word: stem(word) if len(word) > 3 else word for word in set().union(*cut)}
    return [[stems[word] for word in words] for words in cut]


def _rouge_words(text: str) -> list[str]:
    if text.isascii():
        return text.lower().encode("ascii").translate(_ASCII_GAPS).decode("ascii").split()
    if _HAS_HAN.search(text):
        return _ROUGE_CHINESE.findall(half_width(text).lower())
    return _ROUGE_WORD.findall(text.lower())


def half_width(text: str) -> str:
    """Full-width letters, digits and marks as their ASCII forms."""
    return text.translate(_FULL_WIDTH)


def units(text: str) -> list[str]:
    """Chinese characters, words and numbers: what a reader would count as length."""
    return _UNIT.findall(text)
