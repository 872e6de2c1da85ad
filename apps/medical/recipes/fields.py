"""Data of the recipe `fields`: a sentence of a clinical note, and the entries of one field as a JSON object.

The model is asked as `apps.medical.records.fields` asks it. Patterns and words are the product's own (`sentences.yaml`,
`words.yaml`); a pattern stands in one split alone, and so do the names of drugs, substances and illnesses. The notes of
the evaluation (`note_fields.yaml`) were written apart and are in none of them.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from apps.medical.records.fields import FieldKind, field_kinds, field_prompt
from core.metrics.fields import FieldF1
from core.text import Language
from core.training.data.records import Turn
from core.training.pipeline.examples import Example, RecipeData

_HERE = Path(__file__).parent
_FILLED = {"train": 10, "validation": 6, "test": 9}
"""Sentences made of a pattern."""
_SLOT = re.compile(r"\{([a-zA-Z]+)(\d)\}")


def fields(language: Language | None = None) -> RecipeData:
    """Sentences on every field, or those in one language; a pattern is a group."""
    sentences, words = _read("sentences.yaml"), _read("words.yaml")
    languages: tuple[Language, ...] = ("en", "zh") if language is None else (language,)

    def made(split: str) -> tuple[Example, ...]:
        return tuple(
            example
            for kind in field_kinds()
            for one in languages
            for number, pattern in enumerate(sentences[kind.name][one][split])
            for example in _examples(kind, one, split, f"{kind.name}-{one}-{split}-{number}", pattern, words)
        )

    return RecipeData(
        name="note-fields" + (f"-{language}" if language else ""),
        train=made("train"),
        validation=made("validation"),
        test=made("test"),
        metrics={"field_f1": FieldF1(), "entry_f1": FieldF1("entry_f1", entries_only=True)},
    )


def _examples(
    kind: FieldKind, language: Language, split: str, group: str, pattern: str, words: Mapping[str, Any]
) -> Iterator[Example]:
    """Different sentences; a pattern that holds nothing gives one."""
    made: set[str] = set()
    for number in range(_FILLED[split]):
        name = f"{group}/{number}"
        entries, sentence = _filled(kind, language, split, pattern, words, random.Random(name))
        if sentence in made:
            continue
        made.add(sentence)
        yield Example(
            name,
            (Turn("user", field_prompt(kind, language, sentence)),),
            (json.dumps({kind.name: entries}, ensure_ascii=False),),
            (sentence,),
            group=group,
            question=sentence,
        )


def _filled(
    kind: FieldKind, language: Language, split: str, pattern: str, words: Mapping[str, Any], draw: random.Random
) -> tuple[list[dict[str, str]], str]:
    """The entries, in the order of their numbers, with "" for parts that the pattern has not; and the sentence."""
    slots = _SLOT.findall(pattern)
    count = max((int(number) for _, number in slots), default=0)
    measures: dict[str, str] = words["measures"][language]
    pool = list(measures) if kind.name == "vitals" else words[language][kind.name][split]
    entries: list[dict[str, str]] = []
    for number, name in enumerate(draw.sample(pool, count), start=1):
        held = {part.lower() for part, at in slots if int(at) == number}
        entry = {"name": name} | {
            part: _value(part, name, language, words, draw) if part in held else ""
            for part in kind.parts
            if part != "name"
        }
        entries.append(entry)

    def put(match: re.Match[str]) -> str:
        value = entries[int(match[2]) - 1][match[1].lower()]
        return value[0].upper() + value[1:] if match[1][0].isupper() else value

    return entries, _SLOT.sub(put, pattern)


def _value(part: str, name: str, language: Language, words: Mapping[str, Any], draw: random.Random) -> str:
    form = words["measures"][language][name] if part == "value" else draw.choice(words["parts"][language][part])
    figures = {
        "whole": draw.choice([5, 10, 15, 25, 40, 50, 75, 100, 150, 200, 250, 400]),
        "small": draw.choice([0.5, 1, 1.5, 2, 3, 4]),
        "systolic": draw.randint(92, 188),
        "diastolic": draw.randint(54, 104),
        "pulse": draw.randint(52, 134),
        "temperature": draw.randint(355, 402) / 10,
        "weight": draw.randint(31, 980) / 10,
        "height": draw.randint(88, 189),
        "breaths": draw.randint(12, 34),
        "saturation": draw.randint(82, 99),
    }
    return str(form.format(**figures))


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((_HERE / name).read_text(encoding="utf-8"))
    return found
