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
_FILLED = {"train": 5, "validation": 5, "test": 4}
"""Sentences made of a pattern."""
_SLOT = re.compile(r"\{([a-zA-Z]+)(\d?)(?::(\w+)|=([^}]+))?\}")


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
    slots = {(slot.lower(), number): (source, text) for slot, number, source, text in _SLOT.findall(pattern)}
    pools = _pools(words, language, split)
    used: list[str] = []

    def drawn(source: str) -> str:
        """A word or figure of a source that holds none already drawn, nor stands in one."""
        while True:
            value = draw.choice(pools[source]).format(**_figures(draw))
            if not any(value in other or other in value for other in used):
                used.append(value)
                return value

    entries: list[dict[str, str]] = []
    for number in sorted({number for _, number in slots if number}):
        source, text = slots["name", number]
        name = text or drawn(source or ("measures" if kind.name == "vitals" else kind.name))
        entries.append({"name": name})
        for part in list(kind.parts)[1:]:
            _, text = slots.get((part, number), ("", ""))
            forms = pools.get(f"{part} of {name}") or pools[part]
            written = (part, number) in slots
            entries[-1][part] = text or (draw.choice(forms).format(**_figures(draw)) if written else "")

    def put(match: re.Match[str]) -> str:
        slot, number, source, _ = match.groups()
        value = entries[int(number) - 1][slot.lower()] if number else drawn(source)
        return value[0].upper() + value[1:] if slot[0].isupper() else value

    used += [value for entry in entries for value in entry.values() if value]
    return entries, _SLOT.sub(put, pattern)


def _pools(words: Mapping[str, Any], language: Language, split: str) -> dict[str, list[str]]:
    """What can be drawn in a split, by source; the forms of a measure's values as "value of …"."""
    measures: dict[str, list[str]] = words["measures"][language]
    pools = {source: list(found[split]) for source, found in words[language].items()}
    pools["history"] = pools["illnesses"] + pools["operations"]
    pools |= {"measures": list(measures), "acute": words["acute"][language], **words["parts"][language]}
    pools |= {f"value of {name}": forms for name, forms in (measures | words["written"][language]).items()}
    return pools | {"year": ["{year}"], "number": ["{number}"]}


def _figures(draw: random.Random) -> dict[str, float]:
    return {
        "whole": draw.choice([5, 10, 15, 25, 40, 50, 75, 100, 150, 200, 250, 400]),
        "small": draw.choice([0.5, 1, 1.5, 2, 3, 4]),
        "systolic": draw.randint(92, 188),
        "diastolic": draw.randint(54, 104),
        "pulse": draw.randint(52, 134),
        "temperature": draw.randint(355, 402) / 10,
        "fahrenheit": draw.randint(960, 1040) / 10,
        "weight": draw.randint(31, 980) / 10,
        "height": draw.randint(88, 189),
        "head": draw.randint(340, 560) / 10,
        "index": draw.randint(150, 380) / 10,
        "breaths": draw.randint(12, 34),
        "saturation": draw.randint(82, 99),
        "year": draw.randint(2005, 2024),
        "number": draw.randint(2, 45),
    }


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((_HERE / name).read_text(encoding="utf-8"))
    return found
