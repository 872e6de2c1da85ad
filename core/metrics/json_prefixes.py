"""The beginnings of a JSON text that end with a value, each closed so that it is JSON again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]

_MARK = re.compile(r'[{}\[\],:"]|[^\s{}\[\],:"]+')
_CLOSING = {"{": "}", "[": "]"}


def closed_prefixes(text: str) -> Iterator[tuple[int, str]]:
    """The end of each text, number or word that is a value, and the text up to there with its brackets closed.

    Nothing where `text` is no JSON. Keys, and objects and lists as a whole, are not counted as values.
    """
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return
    open_brackets: list[str] = []
    key_comes = False
    place = 0
    while mark := _MARK.search(text, place):
        sign, place = mark.group(), mark.end()
        if sign in "}]":
            open_brackets.pop()
        elif sign in _CLOSING:
            open_brackets.append(sign)
        if sign in "{},":
            key_comes = bool(open_brackets) and open_brackets[-1] == "{"
        elif sign in "[]:":
            key_comes = False
        else:
            if sign == '"':
                place = scanstring(text, place)[1]
            if not key_comes:
                yield place, text[:place] + "".join(_CLOSING[one] for one in reversed(open_brackets))
