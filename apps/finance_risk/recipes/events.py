"""Data of the recipe `events`: a sentence of an announcement or a current report, and its roles as a JSON object.

The model is asked as `apps.finance_risk.matters.filling` asks it. Patterns and names are the product's own
(`sentences.yaml`, `names.yaml`); each stands in one split alone. The sentences of the evaluation (`own_matters.yaml`)
were written apart and are in none of them.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from apps.finance_risk.matters.declared import KindOfMatter, Role, declared_kinds
from apps.finance_risk.matters.filling import roles_prompt
from core.metrics.fields import FieldF1
from core.text import Language
from core.training.data.records import Turn
from core.training.pipeline.examples import Example, RecipeData

_HERE = Path(__file__).parent
_FILLED = {"train": 8, "validation": 5, "test": 6}
"""Sentences made of a pattern."""
_LENDERS = frozenset({"pledgee", "creditor", "lender"})
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def events(language: Language | None = None) -> RecipeData:
    """Sentences of every kind of matter, or of those in one language; a pattern is a group."""
    sentences, names = _read("sentences.yaml"), _read("names.yaml")
    languages: tuple[Language, ...] = ("en", "zh") if language is None else (language,)

    def made(split: str) -> tuple[Example, ...]:
        return tuple(
            example
            for kind in declared_kinds()
            for one in languages
            for number, pattern in enumerate(sentences[kind.name][one][split])
            for example in _examples(kind, one, split, f"{kind.name}-{one}-{split}-{number}", pattern, names[one])
        )

    return RecipeData(
        name="matter-roles" + (f"-{language}" if language else ""),
        train=made("train"),
        validation=made("validation"),
        test=made("test"),
        metrics={"field_f1": FieldF1()},
    )


def _examples(
    kind: KindOfMatter, language: Language, split: str, group: str, pattern: str, names: Mapping[str, Any]
) -> Iterator[Example]:
    for number in range(_FILLED[split]):
        name = f"{group}/{number}"
        draw = random.Random(name)
        values = _values(kind, language, split, names, draw)
        held = set(re.findall(r"\{(\w+)\}", pattern))
        sentence = pattern.format(**values)
        answer = {role.name: values[role.name] if role.name in held else "" for role in kind.roles}
        yield Example(
            name,
            (Turn("user", roles_prompt(kind.roles, sentence)),),
            (json.dumps(answer, ensure_ascii=False),),
            (sentence,),
            group=group,
            question=sentence,
        )


def _values(
    kind: KindOfMatter, language: Language, split: str, names: Mapping[str, Any], draw: random.Random
) -> dict[str, str]:
    """A value for each role; no two parties share a name."""
    firms = draw.sample(names["firms"][split], 3)
    joint = " " if language == "en" else ""
    found = {}
    for role in kind.roles:
        if role.of != "party":
            found[role.name] = _figure(role, language, draw)
        elif role.name in _LENDERS:
            found[role.name] = joint.join([draw.choice(names["banks"][split]), draw.choice(names["houses"])])
        else:
            found[role.name] = joint.join([firms.pop(), draw.choice(names["forms"])])
    return found


def _figure(role: Role, language: Language, draw: random.Random) -> str:
    if role.of == "date":
        year, month, day = draw.randint(2015, 2025), draw.randint(1, 12), draw.randint(1, 28)
        return f"{_MONTHS[month - 1]} {day}, {year}" if language == "en" else f"{year}年{month}月{day}日"
    if role.of == "ratio":
        return f"{draw.randint(11, 989) / 10:g}%"
    if role.of == "shares":
        count = draw.randint(11, 9900)
        return f"{count * 10_000:,} shares" if language == "en" else f"{count}万股"
    if language == "zh":
        return draw.choice([f"{draw.randint(2, 90) * 100:,}万元", f"{draw.randint(11, 99) / 10:g}亿元"])
    amount = draw.choice([f"{draw.randint(11, 990) / 10:g} million", f"{draw.randint(101, 999) * 1000:,}"])
    return draw.choice(["$", "€", "£"]) + amount


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((_HERE / name).read_text(encoding="utf-8"))
    return found
