"""Which of our two languages a text is in."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["zh", "en"]

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LATIN_LETTER = re.compile(r"[A-Za-z]")
_LATIN_WORD = re.compile(r"(?<![A-Za-z\d])(?<!\d )(?=[A-Z]*[a-z]|[A-Z]{4})[A-Za-z]{2,}")
"""A word that tells of English: neither an abbreviation in capitals (CT, WBC) nor a unit after a number (100 ml)."""


def detect_language(text: str, *, default: Language = "en") -> Language:
    """'zh' where the text has more Chinese characters than words that tell of English, else 'en'.

    So "用 Apple Pay 付款" and "查 WBC 12.3，CRP 45 mg/L" are Chinese, "What does 流明 mean?" is English. Without
    letters of either kind the `default` is returned.
    """
    han = len(_HAN.findall(text))
    if han == 0:
        return "en" if _LATIN_LETTER.search(text) else default
    return "zh" if han > len(_LATIN_WORD.findall(text)) else "en"
