"""Names in a sentence, by their looks: capitals in English; titles, foreign names and organisations in Chinese."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.metrics.content import LITTLE_WORDS
from core.metrics.segmentation import half_width
from core.text.language import detect_language
from core.text.spans import Span

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-'’.&][A-Za-z0-9]+)*")
_POSSESSIVE = re.compile(r"['’]s?$")
_TITLE = re.compile(r"《([^《》\n]{1,40})》")
_FOREIGN = re.compile(rf"([{_HAN}]{{1,2}})[·•・](?=([{_HAN}]{{1,2}}))")
_SUFFIXES = (
    *("有限公司", "公司", "集团", "银行", "证券", "保险", "基金会", "大学", "学院", "中学", "小学", "医院", "研究所"),
    *("博物馆", "图书馆", "委员会", "法院", "机场", "车站", "铁路", "公路", "电视台", "出版社", "协会", "联盟", "乐团"),
    *("省", "市", "县", "区", "镇", "村", "州", "国", "岛", "山", "河", "湖", "路", "街", "寺", "庙", "城", "桥", "站"),
)
_NOT_IN_NAME = (
    "的了在是和与及或等这那某该各每本我你他她它其一二三两几多所个名位座家处"
    "条次被把从到由于为以向对将有个没不也都就还而且但并很最更前后内外中上下"
)
_SUFFIXED = re.compile(
    rf"(?P<stem>[^\W\d_A-Za-z{_NOT_IN_NAME}]{{2}})(?P<suffix>{'|'.join(sorted(_SUFFIXES, key=len, reverse=True))})"
)
_COMMON = frozenset(
    ("i", "i'm", "i'll", "i've", "i'd", "ok", "mr", "mrs", "ms", "dr", "prof", "pdf", "faq", "id", "am", "pm")
)


@dataclass(frozen=True, slots=True)
class Name:
    """A stretch that looks like a name; each of `words` must be found where the name is looked for."""

    words: tuple[str, ...]
    span: Span


def find_names(sentence: str) -> list[Name]:
    """Names of one sentence.

    English: words with a capital or digit inside, and capitalised words but the first of the sentence (the first too
    where a capitalised word follows it). Chinese: titles in 《》, names with a middle dot, Latin words, and the two
    characters before the ending of an organisation or place together with it; of a name with a dot the two characters
    on either side of it. Chinese personal names have no such
    mark and are not found here.
    """
    if detect_language(sentence) == "zh":
        return _chinese_names(sentence)
    return _latin_names(sentence, first_counts=False)


def _chinese_names(sentence: str) -> list[Name]:
    names = [Name((match[1].casefold(),), Span(*match.span(1))) for match in _TITLE.finditer(sentence)]
    names += [Name((match[1], match[2]), Span(*match.span())) for match in _FOREIGN.finditer(sentence)]
    names += [Name((match[0],), Span(*match.span())) for match in _SUFFIXED.finditer(sentence)]
    return names + _latin_names(sentence, first_counts=True)


def _latin_names(sentence: str, *, first_counts: bool) -> list[Name]:
    words = list(_WORD.finditer(half_width(sentence)))
    names = []
    for index, match in enumerate(words):
        word = _POSSESSIVE.sub("", match[0])
        follows = words[index + 1][0] if index + 1 < len(words) else ""
        inner = any(character.isupper() or character.isdigit() for character in word[1:])
        capital = word[0].isupper() and (index > 0 or first_counts or follows[:1].isupper())
        if (inner or capital or first_counts) and len(word) > 1 and word.casefold() not in _COMMON | LITTLE_WORDS:
            names.append(Name((word.casefold(),), Span(match.start(), match.start() + len(word))))
    return names
