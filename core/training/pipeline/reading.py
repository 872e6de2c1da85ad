"""Finding and reading a recipe: a path or `product/name`, settings overridden, errors that name the place."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from core.config import settings
from core.errors import InputError, UnknownName
from core.files import decode_text, read_bytes
from core.products import load_products
from core.training.pipeline.classes.recipe import KIND, ClassifyStage, ClassRecipe
from core.training.pipeline.placing import settings_of
from core.training.pipeline.recipe import Recipe, Stage

_HINT = "docs/core.md, section Training, shows a recipe; `trivium train run RECIPE --dry-run` checks one."


def known_recipes() -> dict[str, Path]:
    """The recipes of all products, as "product/name"."""
    return {
        f"{product.name}/{name}": path for product in load_products() for name, path in sorted(product.recipes.items())
    }


def find_recipe(name: str) -> Path:
    """The file of `product/name`, or of a path. Raises `UnknownName`."""
    known = known_recipes()
    if name in known:
        return known[name]
    path = Path(name).expanduser()
    if path.suffix == ".toml" or path.exists():
        return path
    raise UnknownName("recipe", name, list(known))


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """As `read_any`; raises `InputError` for a recipe of classes."""
    recipe = read_any(path, overrides)
    if isinstance(recipe, Recipe):
        return recipe
    raise InputError(f"'{path}' is a recipe of classes; a policy is needed here.", hint="Name another recipe.")


def read_any(path: Path, overrides: Sequence[str] = ()) -> Recipe | ClassRecipe:
    """The recipe in `path`, with `overrides` such as "stage.2.steps=5" (stages count from 1).

    Raises:
        UnreadableFile: there is no such file.
        InputError: naming the field, the line where it can be found, and what would do.
    """
    text = decode_text(read_bytes(path, max_bytes=settings().max_upload_bytes), path.name)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"'{path}' is not valid TOML: {error}.", hint=_HINT) from error
    for override in overrides:
        _override(table, override)
    data = table.get("data")
    if isinstance(data, dict):  # paths are as seen from the recipe
        for name in ("prepared", "file"):
            if isinstance(data.get(name), str):
                data[name] = str(path.parent / Path(data[name]).expanduser())
    of_classes = _is_of_classes(table)
    if of_classes and len(table["stage"]) > 1:
        raise InputError(
            f"'{path}': a stage '{KIND}' stands alone; there are {len(table['stage'])} stages.",
            hint="What it makes is no adapter that another stage could go on from: write a recipe of its own.",
        )
    model: type[Recipe] | type[ClassRecipe] = ClassRecipe if of_classes else Recipe
    try:
        recipe = model.model_validate(table)
    except ValidationError as error:
        raise explained(error, table, text, str(path)) from error
    return recipe if recipe.name else recipe.model_copy(update={"name": _name_of(path)})


def _is_of_classes(table: Mapping[str, Any]) -> bool:
    stages = table.get("stage")
    return isinstance(stages, list) and any(isinstance(one, dict) and one.get("kind") == KIND for one in stages)


def _name_of(path: Path) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-_")[:64]
    return plain or "recipe"


def _override(table: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise InputError(f"'{override}' does not set anything.", hint="Write it like --set stage.2.steps=5.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # a name needs no quotation marks here
    place: Any = table
    for depth, name in enumerate(names):
        last = depth == len(names) - 1
        if isinstance(place, list):
            if not name.isdecimal() or not 1 <= int(name) <= len(place):
                raise InputError(
                    f"'{override}': there is no stage {name}; there are {len(place)}.", hint="Count from 1."
                )
            place, inner = place, int(name) - 1
            if last:
                raise InputError(f"'{override}' names a whole stage.", hint="Name a setting: stage.2.steps=5.")
            place = place[inner]
        elif last:
            place[name] = value
        else:
            inside = place.setdefault(name, {})
            if not isinstance(inside, dict | list):
                raise InputError(f"'{override}': '{name}' is no table.", hint="Write it like stage.2.steps=5.")
            place = inside


def explained(error: ValidationError, table: Mapping[str, Any], text: str, where: str) -> InputError:
    """The first thing wrong, in words: field, line, and a name that may have been meant."""
    first = error.errors()[0]
    location = list(first["loc"])
    stage: type[BaseModel] | None = None
    number: int | None = None
    label = "the recipe"
    if len(location) > 1 and location[0] == "stage" and isinstance(location[1], int):
        number = location[1]
        kind = str(table["stage"][number].get("kind")) if isinstance(table["stage"][number], dict) else "?"
        stage = _stage_model(kind)
        label = f"stage {number + 1} ({kind})"
        location = location[3:] if len(location) > 2 and location[2] == kind else location[2:]
    location = [part for part in location if not re.match(r"[A-Z]|literal\[", str(part))]  # branches of a choice
    key = ".".join(map(str, location))
    line = _line(text, str(location[-1]), number) if location else None
    place = f"'{where}'" + (f", line {line}" if line else "")
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        kinds = ", ".join(_kinds())
        return InputError(f"{place}: {label} has no kind that is known.", hint=f"Kinds: {kinds}.")
    if first["type"] == "extra_forbidden":
        whole: type[BaseModel] = ClassRecipe if _is_of_classes(table) else Recipe
        known = _known(stage or whole, [str(part) for part in location[:-1]])
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        guess = f"Did you mean '{close[0]}'? " if close else ""
        return InputError(f"{place}: '{key}' is no setting of {label}.", hint=f"{guess}Known: {', '.join(known)}.")
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return InputError(f"{place}: {label} needs '{key}'.", hint=_HINT)
    given = f" (given: {first['input']!r})" if key and not isinstance(first["input"], Mapping) else ""
    return InputError(f"{place}: {label}{f', {key}' if key else ''}: {said}{given}.", hint=_HINT)


def _kinds() -> list[str]:
    return [kind for model in _models() for kind in model.model_fields["kind"].annotation.__args__]  # type: ignore[union-attr]


def _models() -> tuple[type[BaseModel], ...]:
    models: tuple[type[BaseModel], ...] = Stage.__origin__.__args__  # type: ignore[attr-defined]
    return (*models, ClassifyStage)


def _stage_model(kind: str) -> type[BaseModel] | None:
    return next((one for one in _models() if kind in one.model_fields["kind"].annotation.__args__), None)  # type: ignore[union-attr]


def _known(place: type[BaseModel], inside: Sequence[str]) -> list[str]:
    """Settings that may stand where an unknown one stood."""
    model: Any = place
    for name in inside:
        info = model.model_fields.get(name)
        choices = [info.annotation, *getattr(info.annotation, "__args__", ())] if info is not None else []
        model = next((one for one in choices if isinstance(one, type) and issubclass(one, BaseModel)), None)
        if model is None:
            return []
    known = set(model.model_fields)
    if model is place and "kind" in place.model_fields:
        known |= set(settings_of(place))
    return sorted(known)


def _line(text: str, key: str, stage: int | None) -> int | None:
    """The line a setting stands in, where that is plain to see: within its stage, else the only one that names it."""
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines) if re.match(r"\s*\[\[\s*stage\s*\]\]", line)]
    start, end = 0, len(lines)
    if stage is not None:
        if stage >= len(heads):
            return None
        start = heads[stage]
        end = heads[stage + 1] if stage + 1 < len(heads) else len(lines)
    named = re.compile(rf"(?:^|[\s{{,.])\"?{re.escape(key)}\"?\s*=")
    found = [number for number in range(start, end) if named.search(lines[number].partition(" #")[0])]
    return found[0] + 1 if len(found) == 1 else None
