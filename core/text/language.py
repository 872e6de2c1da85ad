"""Which of our two languages a text is in."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["zh", "en"]

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LATIN_WORD = re.compile(r"[A-Za-z]+")


def detect_language(text: str, *, default: Language = "en") -> Language:
    """'zh' where Chinese characters carry at least as much as Latin words do, else 'en'.

    A Chinese character counts about as much as half a Latin word, so "用 Apple Pay 付款" is Chinese and
    "What does 流明 mean?" is English. Without letters of either kind the `default` is returned.
    """
    han = len(_HAN.findall(text))
    latin = len(_LATIN_WORD.findall(text))
    if han == latin == 0:
        return default
    return "zh" if han >= 2 * latin or (han > 0 and latin <= 1 and han >= latin) else "en"
