"""The finance-risk product: filings read into facts, events and a distress score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from apps.finance_risk import commands
from core.products import Command, Product

if TYPE_CHECKING:
    from core.evaluation.suite import Suite
    from core.text import Language
    from core.training.pipeline.examples import RecipeData

_SAMPLES = Path(__file__).parent / "samples"


def _suites() -> tuple[Suite, ...]:
    from apps.finance_risk.evaluation.suites import suites

    return suites()


def _events(language: Language | None) -> RecipeData:
    from apps.finance_risk.recipes.events import events

    return events(language)


def _demo() -> None:
    """A short report on the sample 10-K and 8-K of a fictional company."""
    from apps.finance_risk.report import analyse
    from apps.finance_risk.report.brief import brief_report

    for name in ("harrow-vale-10-k.html", "harrow-vale-8-k.html"):
        print(brief_report(analyse(_SAMPLES / name), "en"))


product = Product(
    name="finance-risk",
    titles={"en": "Finance risk", "zh": "金融风险"},
    page=Path(__file__).with_name("page.py"),
    commands=(
        Command(
            name="risk",
            help="read filings into facts, events and a distress score, each with its source",
            configure=commands.configure,
            run=commands.run,
        ),
    ),
    suites=_suites,
    models=("en_core_web_sm",),
    demo=_demo,
    recipes={"events": Path(__file__).parent / "recipes" / "events.toml"},
    recipe_data={
        "matter-roles": lambda: _events(None),
        "matter-roles-en": lambda: _events("en"),
        "matter-roles-zh": lambda: _events("zh"),
    },
)
