"""Row labels brought to one form, so that a line definition matches however a company dresses the words."""

from __future__ import annotations

import re
import unicodedata

_NOTE = re.compile(r"[-–—,;]?\s*\(?\b(?:see\s+)?notes?\s+\d[\d\s,and]*\)?", re.IGNORECASE)
_PARENTHESES = re.compile(r"\([^()]*\)")
_TRAILING_MARK = re.compile(r"\s+(?:\d{1,2}|[*†‡]+)$")
_ALLOWANCE = re.compile(
    r",?\s*(?:\bnet of\b|\bless\b)\s+(?:an?\s+)?(?:allowances?|reserves?|provisions?|accumulated)\b.*$"
)
_PREFIX = re.compile(r"^(?:less|plus|add|deduct)\s*:\s*")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_CHINESE_PREFIX = re.compile(r"^(?:[一二三四五六七八九十]+、|\d+[.、]|[①-⑳]|(?:其中|减|加|加回)[::])")
_CHINESE_ORDINAL = re.compile(r"^\([一二三四五六七八九十\d]+\)")


def normalise_label(label: str) -> str:
    """Lower case without punctuation, notes, allowances and what stands in parentheses.

    "Net (loss) income" and "Net income (loss) (Note 4)" both become "net income"; "一、营业总收入（元）" becomes
    "营业总收入".
    """
    text = unicodedata.normalize("NFKC", label).strip()
    if _HAN.search(text):
        return _normalise_chinese(text)
    text = _NOTE.sub(" ", text.lower())
    text = _ALLOWANCE.sub("", text)
    text = _PARENTHESES.sub(" ", text)
    text = _PREFIX.sub("", text.strip())
    text = text.replace("&", " and ").replace("’", "").replace("'", "").replace("‘", "")
    text = re.sub(r"[-–—/,:;.…]", " ", text)
    text = " ".join(text.split()).replace("noncurrent", "non current").replace("noncontrolling", "non controlling")
    return _TRAILING_MARK.sub("", text)


def _normalise_chinese(text: str) -> str:
    text = re.sub(r"\s+", "", text)
    previous = ""
    while previous != text:
        previous = text
        text = _CHINESE_ORDINAL.sub("", _CHINESE_PREFIX.sub("", text))
    while _PARENTHESES.search(text):
        text = _PARENTHESES.sub("", text)
    return text.rstrip(":：*")
