"""The declared kinds of matter and their roles, from `matters.yaml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

MATTERS_FILE = Path(__file__).with_name("matters.yaml")
ValueKind = Literal["party", "money", "shares", "ratio", "date"]

# What can be a party's name: Chinese characters with brackets and dots, or capitalised words with their connectives.
_CHINESE_NAME = r"[\u4e00-\u9fffA-Za-z0-9（）()·*]{2,30}"
_WORD = r"[A-Z][\w.&'’-]*"
_LATIN_NAME = rf"(?:the\s+)?{_WORD}(?:,?\s+(?:{_WORD}|of|and|de|&))*(?:,\s(?:Inc|LLC|Ltd|L\.P|N\.A|LP|plc|Corp)\.?)?"
_PARTY = rf"(?:{_LATIN_NAME}|{_CHINESE_NAME})"


@dataclass(frozen=True, slots=True)
class Role:
    """Who or what takes part in a matter; `of` is the kind of its value."""

    name: str
    of: ValueKind
    names: dict[str, str]
    patterns: tuple[re.Pattern[str], ...] = ()


@dataclass(frozen=True, slots=True)
class KindOfMatter:
    """One kind, by the words that tell it."""

    name: str
    names: dict[str, str]
    sign: re.Pattern[str]
    unless: re.Pattern[str]
    roles: tuple[Role, ...]

    def tells(self, sentence: str) -> bool:
        """Whether a sentence states a matter of this kind."""
        return self.sign.search(sentence) is not None and self.unless.search(sentence) is None


@cache
def declared_kinds() -> tuple[KindOfMatter, ...]:
    """All kinds, in the order of `matters.yaml`."""
    entries = yaml.safe_load(MATTERS_FILE.read_text(encoding="utf-8"))
    return tuple(
        KindOfMatter(
            name=name,
            names=entry["names"],
            sign=re.compile(entry["sign"], re.IGNORECASE),
            unless=re.compile(entry["unless"], re.IGNORECASE),
            roles=tuple(
                Role(role, given["of"], given["names"], _patterns(entry.get("rules", {}).get(role, ())))
                for role, given in entry["roles"].items()
            ),
        )
        for name, entry in entries.items()
    )


def role_names(role: Role, language: str) -> str:
    """What a page calls a role."""
    return role.names[language]


def _patterns(rules: list[str] | tuple[()]) -> tuple[re.Pattern[str], ...]:
    """Lower case in a rule is lower case in the text: a party's name is known by its capitals."""
    return tuple(re.compile(_filled(rule)) for rule in rules)


def _filled(rule: str) -> str:
    """`{P}` as an English name in English rules, as a Chinese one in Chinese rules; `{P}?` is as short as may be."""
    chinese = re.search(r"[\u4e00-\u9fff]", rule) is not None
    if chinese:
        return rule.replace("{P}?", f"{_CHINESE_NAME}?").replace("{P}", _CHINESE_NAME)
    return rule.replace("{P}", _LATIN_NAME)
