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

    Why no word segmentation for Chinese: on CMRC2018 (3,219 questions, 848 passages), BM25 over characters and pairs
    finds the right passage first for 96.2 %, over the words of Baidu LAC for 89.6 %, over pairs alone for 94.9 %; and
    LAC takes about 100 times as long (16,000 against 1,600,000 characters a second on one core). Common English words
    stay in: without them BM25 falls from 57.5 to 55.4 % on 2,310 BANKING77 training questions.
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


_UNIT = re.compile(rf"(?P<han>[{_HAN}])|(?P<number>\d+)|(?P<word>[^\W\d_{_HAN}]+)|(?P<mark>[^\w\s]|_)")


def approximate_tokens(text: str) -> int:
    """About how many tokens multilingual-e5-small's tokenizer makes of `text`, without its special tokens.

    Fitted on the customer-service articles, CMRC2018 and SEC filings: the sums agree within 10 %; a single passage of
    prose has at most 1.3 times the tokens counted here, a table full of marks and figures at most 1.5 times.
    """
    fifths = 0  # of a token, so that sums are exact
    for match in _UNIT.finditer(text):
        length = match.end() - match.start()
        if match.lastgroup == "han":
            fifths += 4
        elif match.lastgroup == "number":
            fifths += 5 * (1 + (length - 1) // 2)
        elif match.lastgroup == "word":
            fifths += 5 * (1 + (length - 1) // 7)
        else:
            fifths += 6
    return -(-fifths // 5)
