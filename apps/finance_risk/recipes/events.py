"""Data of the recipe `events`: a sentence of an announcement or a current report, and its roles as a JSON object.

The model is asked as `apps.finance_risk.matters.filling` asks it. Patterns and names are the product's own
(`sentences/`, `names.yaml`); each stands in one split alone. The sentences of the evaluation (`own_matters.yaml`)
were written apart and are in none of them.

How a pattern is written: {pledgor} is a role with a value of its kind; {pledgor:person} one of another source;
{pledgor=the Company} these very words. {other:bank} is a value that is no role, drawn anew each time,
{other:later_date} one after the role's date, {other:more_money} larger than its amount. A role that a pattern does not
hold is left empty in the answer. A lone date, amount or ratio is the role's where it can be; of two the pattern says
which is the matter's own. The place of a pattern in its list is its name.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
_FILLED = 4
"""Sentences made of a pattern."""
_SLOT = re.compile(r"\{(\w+)(?::(\w+)|=([^}]+))?\}")
_LENDERS = frozenset({"pledgee", "creditor", "lender"})
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def events(language: Language | None = None) -> RecipeData:
    """Sentences of every kind of matter, or of those in one language; a pattern is a group."""
    sentences = {kind.name: _read(f"sentences/{kind.name}.yaml") for kind in declared_kinds()}
    names = _read("names.yaml")
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
    for number in range(_FILLED):
        name = f"{group}/{number}"
        answer, sentence = _filled(kind, language, split, pattern, names, random.Random(name))
        yield Example(
            name,
            (Turn("user", roles_prompt(kind.roles, sentence)),),
            (json.dumps(answer, ensure_ascii=False),),
            (sentence,),
            group=group,
            question=sentence,
        )


def _filled(
    kind: KindOfMatter, language: Language, split: str, pattern: str, names: Mapping[str, Any], draw: random.Random
) -> tuple[dict[str, str], str]:
    """Every role with its value, "" where the pattern has it not; and the sentence. No value is part of another."""
    sources = {role.name: _source(kind, role) for role in kind.roles}
    pools = {name: draw.sample(found[split], len(found[split])) for name, found in names.items() if split in found}
    size = _Size.drawn(draw)
    values: dict[str, str] = {}
    used: list[str] = []

    def put(match: re.Match[str]) -> str:
        slot, source, text = match.groups()
        if slot in values:
            return values[slot]
        source = source or sources[slot]
        if text:
            value = text
        elif source in pools:
            endings = names["endings"].get(source, [""])
            value = (" " if language == "en" else "").join([pools[source].pop(), draw.choice(endings)]).strip()
        else:
            value = _figure(source, language, size, draw)
            while any(value in other or other in value for other in used):
                value = _figure(source, language, size, draw)
        used.append(value)
        if slot != "other":
            values[slot] = value
        return value

    sentence = _SLOT.sub(put, pattern).replace("..", ".")  # a name may end with a stop, and so may the sentence
    return {role.name: values.get(role.name, "") for role in kind.roles}, sentence


def _source(kind: KindOfMatter, role: Role) -> str:
    """Where the values of a role come from unless its pattern says so."""
    if role.name in _LENDERS:
        return "bank"
    return "rate" if role.of == "ratio" and kind.name == "loan" else role.of


@dataclass(frozen=True, slots=True)
class _Size:
    """What the figures of one sentence have in common: the year, and how large they are about."""

    year: int
    shares: int
    thousands: int
    currency: str

    @classmethod
    def drawn(cls, draw: random.Random) -> _Size:
        thousands = draw.choice([draw.randint(101, 999), draw.randint(1_100, 99_000)])
        currency = draw.choice(["$", "$", "$", "US$", "€", "£"])
        return cls(draw.randint(2015, 2025), draw.randint(11, 5_000) * 10_000, thousands, currency)


def _figure(source: str, language: Language, size: _Size, draw: random.Random) -> str:
    """A figure such as "money", or one with a relation to the role's: "more_money", "less_shares", "later_date"."""
    relation, _, of = source.rpartition("_")
    chinese = language == "zh"
    if of == "date":
        year = size.year + {"": 0, "earlier": -draw.randint(1, 3), "later": draw.randint(1, 5)}[relation]
        month, day = draw.randint(1, 12), draw.randint(1, 28)
        return f"{year}年{month}月{day}日" if chinese else f"{_MONTHS[month - 1]} {day}, {year}"
    if of in ("ratio", "rate"):
        return f"{draw.randint(21, 149 if of == 'rate' else 989) / 10:g}%"
    times = {"": (0.9, 1.1), "more": (1.5, 6), "less": (0.1, 0.7)}[relation]
    if of == "shares":
        count = round(size.shares * draw.uniform(*times) / 100) * 100
        lots = count / 10_000
        if chinese:
            return draw.choice([f"{lots:,.{0 if lots == round(lots) else 2}f}万股", f"{count:,}股"])
        return draw.choice(
            [f"{count:,} shares", f"{lots / 100:.2f} million shares"] if lots > 100 else [f"{count:,} shares"]
        )
    if of != "money":
        raise KeyError(source)
    return _money(size.thousands * draw.uniform(*times), language, size.currency, draw)


def _money(thousands: float, language: Language, currency: str, draw: random.Random) -> str:
    """An amount of about so many thousand dollars, or tens of thousands of yuan."""
    if language == "zh":
        forms = [f"{round(thousands):,}万元", f"{thousands * 10_000:,.2f}元"]
        if thousands > 11_000:
            forms[0] = f"{thousands / 10_000:.2f}亿元"
        return draw.choice(["", "", "人民币"]) + draw.choice(forms)
    forms = [f"{round(thousands) * 1000:,}"] + ([f"{thousands / 1000:.1f} million"] * 2 if thousands > 1_000 else [])
    return currency + draw.choice(forms)


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((_HERE / name).read_text(encoding="utf-8"))
    return found
