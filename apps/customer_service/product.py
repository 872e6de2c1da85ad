"""Customer service, as the command line, the evaluation runner and the hub see it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from apps.customer_service.commands import COMMANDS
from core.products import Product

if TYPE_CHECKING:
    from core.evaluation import Suite
    from core.text import Language
    from core.training.pipeline.classes.labelled import LabelledData
    from core.training.pipeline.examples import RecipeData

DEMO_QUESTIONS = (
    "Can I get an extra card?",
    "And how long does it take to arrive?",
    "转账转错人了，能撤回吗？",
    "Could you also give me a mortgage?",
)


def _suites() -> tuple[Suite, ...]:
    from apps.customer_service.evaluation.suites import suites

    return suites()


def _answers(language: Language | None) -> RecipeData:
    from apps.customer_service.recipes.answers import answers

    return answers(language)


def _intents(language: Language | None) -> LabelledData:
    from apps.customer_service.recipes.intents import intents

    return intents(language)


def _demo() -> None:
    """A short conversation with the demo bank: a follow-up, a change of language, a question outside its knowledge."""
    from apps.customer_service.commands import render
    from apps.customer_service.dialogue.assistant import new_conversation, open_assistant
    from apps.customer_service.dialogue.desk import open_desk
    from core.progress import ProgressLine

    conversation = new_conversation()
    desk = open_desk(progress=ProgressLine("Indexing the knowledge base"))
    with open_assistant(desk) as assistant:
        for question in DEMO_QUESTIONS:
            print(f"\n> {question}")
            print(render(assistant.ask(question, conversation)))
        assistant.forget(conversation)


product = Product(
    name="customer-service",
    titles={"en": "Customer service", "zh": "智能客服"},
    page=Path(__file__).parent / "page.py",
    commands=COMMANDS,
    suites=_suites,
    models=("multilingual-e5-small", "all-minilm-l6-v2"),
    demo=_demo,
    recipes={name: Path(__file__).parent / "recipes" / f"{name}.toml" for name in ("answers", "intents")},
    recipe_data={
        "customer-answers": lambda: _answers(None),
        "customer-answers-en": lambda: _answers("en"),
        "customer-answers-zh": lambda: _answers("zh"),
        "customer-intents": lambda: _intents(None),
        "customer-intents-en": lambda: _intents("en"),
        "customer-intents-zh": lambda: _intents("zh"),
    },
)
