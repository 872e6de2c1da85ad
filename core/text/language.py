"""Which of our two languages a text is in."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["zh", "en"]

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LATIN_WORD = re.compile(r"[A-Za-z]+")


def detect_language(text: str, *, default: Language = "en") -> Language:
    """'zh' where the text has more Chinese characters than Latin words, else 'en'.

    So "用 Apple Pay 付款" is Chinese and "What does 流明 mean?" is English. Without letters of either kind the
    `default` is returned.
    """
    han = len(_HAN.findall(text))
    latin = len(_LATIN_WORD.findall(text))
    if han == latin == 0:
        return default
    return "zh" if han > latin else "en"
