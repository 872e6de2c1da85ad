"""Data of the recipe `intents`: which topic a question is about, from the questions that the product's articles name.

What is asked once in each language is one group: a question and its translation are never in two splits. Of a topic's
questions two are for test and one for validation; the others, the article's title and the topic's name are learned
from, as the product's topic classifier learns from all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from apps.customer_service.knowledge.articles import DEMO_FOLDER, Article, load_articles
from core.text import Language
from core.training.data.records import SPLITS, Labelled
from core.training.data.splits import place_of
from core.training.pipeline.classes.labelled import LabelledData

_TEST, _VALIDATION = 2, 1
"""Of a topic's questions in each language."""


def intents(language: Language | None = None) -> LabelledData:
    """Questions of all articles, or of those in one language."""
    splits: dict[str, list[Labelled]] = {name: [] for name in SPLITS}
    articles = [one for one in load_articles(DEMO_FOLDER) if one.questions and language in (None, one.language)]
    for article in articles:
        for number, question in enumerate(article.questions):
            splits[_split_of(article, number)].append(_record(question, article.topic, f"question {number}"))
        splits["train"].append(_record(article.title, article.topic, "title"))
    splits["train"] += _names({article.topic for article in articles})
    train, validation, test = (tuple(splits[name]) for name in SPLITS)
    return LabelledData("customer-intents" + (f"-{language}" if language else ""), train, validation, test)


def _split_of(article: Article, number: int) -> str:
    """By the order of a hash, the same for both languages."""
    order = sorted(range(len(article.questions)), key=lambda place: place_of(f"{article.topic}/{place}", 0))
    place = order.index(number)
    return "test" if place < _TEST else "validation" if place < _TEST + _VALIDATION else "train"


def _names(topics: set[str]) -> Sequence[Labelled]:
    return [_record(topic.replace("_", " "), topic, "name") for topic in sorted(topics)]


def _record(text: str, topic: str, what: str) -> Labelled:
    return Labelled(text=text, label=topic, group=f"{topic}: {what}")
