"""Settings of a stage's parts that stand in the stage itself: which part each belongs to.

A recipe says `prompts = 8` for `practice = { prompts = 8 }`. A setting goes to the first part that has it; those of a
setting with settings of its own are joined to its name, as in `kl_target`.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel

DERIVED = frozenset({"name", "objective"})
"""Settings of parts that follow from a stage's kind and are not to be given."""
_ORDER = (  # where parts share a name, the first has it; parts not listed come last
    "algorithm",
    "alternation",
    "practice",
    "preference",
    "evolution",
    "model",
    "judged",
    "optimiser",
    "discriminator",
    "loop",
)


def parts_of(stage: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The parts of a stage, by name, in the order in which a setting is looked for."""
    found = {
        name: info.annotation
        for name, info in stage.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
    }
    ordered = sorted(found, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    return {name: found[name] for name in ordered}


def settings_of(stage: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    """Where each setting that may stand in the stage itself belongs: ("practice", "prompts"), ("practice", "kl",
    "target"). Settings of the stage's own are not among them."""
    places: dict[str, tuple[str, ...]] = {}
    for part, model in parts_of(stage).items():
        for name, info in model.model_fields.items():
            if name in DERIVED:
                continue
            places.setdefault(name, (part, name))
            if is_dataclass(info.annotation):
                for inner in fields(info.annotation):
                    places.setdefault(f"{name}_{inner.name}", (part, name, inner.name))
    return {name: place for name, place in places.items() if name not in stage.model_fields}


def placed(stage: type[BaseModel], given: dict[str, Any]) -> dict[str, Any]:
    """`given` with settings of parts moved into them. A setting that is given twice is left for pydantic to refuse."""
    places = settings_of(stage)
    moved: dict[str, Any] = {}
    for name, value in given.items():
        path = places.get(name, (name,))
        moved = _with(moved, path, value)
    return moved


def _with(table: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """`table` with `value` at `path`; tables are merged, anything else given twice is an error."""
    name, *rest = path
    before = table.get(name)
    if rest:
        inner = before if isinstance(before, dict) else {}
        if before is not None and not isinstance(before, dict):
            raise ValueError(f"'{name}' is given as a whole and in part")
        return {**table, name: _with(inner, tuple(rest), value)}
    if isinstance(before, dict) and isinstance(value, dict):
        if twice := before.keys() & value.keys():
            raise ValueError(f"'{sorted(twice)[0]}' is given twice, in the stage and in '{name}'")
        return {**table, name: {**before, **value}}
    if before is not None:
        raise ValueError(f"'{name}' is given twice")
    return {**table, name: value}
