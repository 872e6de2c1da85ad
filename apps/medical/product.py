"""The medical product: clinical notes read into findings and a differential with evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from apps.medical import annotate_command, commands
from core.products import Command, Product

if TYPE_CHECKING:
    from core.evaluation.suite import Suite
    from core.text import Language
    from core.training.pipeline.examples import RecipeData

SAMPLES = Path(__file__).parent / "samples"


def _suites() -> tuple[Suite, ...]:
    from apps.medical.evaluation.suites import suites

    return suites()


def _fields(language: Language | None) -> RecipeData:
    from apps.medical.recipes.fields import fields

    return fields(language)


def _demo() -> None:
    """A short report on one Chinese and one English sample note."""
    from apps.medical.analysis import diagnostician, note_from_file
    from apps.medical.report.brief import brief_report

    doctor = diagnostician()
    for name in ("shaking-hands-zh.txt", "nosebleeds-en.txt"):
        note = doctor.read(note_from_file(SAMPLES / name))
        print(brief_report(doctor, doctor.diagnose(name, note, top=3), note.language))


product = Product(
    name="medical",
    titles={"en": "Auxiliary diagnosis", "zh": "辅助诊断"},
    page=Path(__file__).with_name("page.py"),
    commands=(
        Command(
            name="diagnose",
            help="read a clinical note into findings and a ranked differential, each with its evidence",
            configure=commands.configure,
            run=commands.run,
        ),
        Command(
            name="annotate",
            help="write the findings of many clinical notes as spaCy documents or JSON lines",
            configure=annotate_command.configure,
            run=annotate_command.run,
        ),
    ),
    suites=_suites,
    models=(),
    demo=_demo,
    recipes={"fields": Path(__file__).parent / "recipes" / "fields.toml"},
    recipe_data={
        "note-fields": lambda: _fields(None),
        "note-fields-en": lambda: _fields("en"),
        "note-fields-zh": lambda: _fields("zh"),
    },
)
