"""How a product makes itself known to the command line, the evaluation runner and the pages.

A product is an object of class `Product` behind an entry point of the group `trivium.products`. Its module is
imported by `trivium --help`, so it imports nothing heavy at its top: torch, spacy, streamlit and the product's own
machinery are imported inside the functions it names.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ConfigError, UnknownName

if TYPE_CHECKING:
    from core.evaluation.suite import Suite
    from core.training.pipeline.classes.labelled import LabelledData
    from core.training.pipeline.examples import RecipeData

ENTRY_POINT_GROUP = "trivium.products"


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand of `trivium`. `run` returns the exit code and raises `TriviumError` for what a user can mend."""

    name: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


@dataclass(frozen=True, slots=True)
class Product:
    """One vertical product.

    Attributes:
        name: as typed, e.g. "customer-service".
        titles: display title by language ("zh", "en").
        page: the Streamlit script.
        commands: subcommands it adds.
        suites: returns its evaluation suites; called only when suites are listed or run.
        models: catalogue names of the models its main job needs.
        demo: runs the main job on sample input and prints a short readable result.
        prompts: folder of the prompt files it brings, if any.
        recipes: training recipes by name, for `trivium train run PRODUCT/NAME`.
        recipe_data: what its recipes learn from, by the name that `[data] suite` gives; called only when one is run.
    """

    name: str
    titles: dict[str, str]
    page: Path
    commands: tuple[Command, ...]
    suites: Callable[[], tuple[Suite, ...]]
    models: tuple[str, ...]
    demo: Callable[[], None]
    prompts: Path | None = None
    recipes: Mapping[str, Path] = field(default_factory=dict)
    recipe_data: Mapping[str, Callable[[], RecipeData | LabelledData]] = field(default_factory=dict)


def load_products() -> tuple[Product, ...]:
    """All installed products, by name. Raises `ConfigError` for an entry point that cannot be loaded."""
    products, errors = try_products()
    if errors:
        raise errors[0]
    return products


def try_products() -> tuple[tuple[Product, ...], tuple[ConfigError, ...]]:
    """The products that load, by name, and an error for each that does not: one broken product must not stop others."""
    products: list[Product] = []
    errors: list[ConfigError] = []
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        try:
            products.append(entry.load())
        except (ImportError, AttributeError) as error:
            message = f"The product '{entry.name}' ({entry.value}) cannot be loaded: {error}."
            errors.append(ConfigError(message, hint="Install it again, or uninstall the package that declares it."))
    return tuple(sorted(products, key=lambda product: product.name)), tuple(errors)


def find_product(name: str) -> Product:
    """The product called `name`. Raises `UnknownName`."""
    products = {product.name: product for product in load_products()}
    if name not in products:
        raise UnknownName("product", name, list(products))
    return products[name]
