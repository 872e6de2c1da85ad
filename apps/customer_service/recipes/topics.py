"""Help topics of other trades than the product's own, for the recipe `answers` alone; no assistant answers from them.

One file a trade, `topics/<trade>.yaml`:

    train:
    - topic: return_goods
      en:
        answer: The short answer, which all questions are answered with.
        passages: [What else the help page says, …]
        questions: [What a customer asks, …]
      zh: …
    validation: …
    test: …

A topic's split is where it stands. The splits were chosen when the topics were, so that each holds topics which are
easily taken for one another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from core.errors import InputError, UnreadableFile
from core.text import Language

TOPICS_FOLDER = Path(__file__).parent / "topics"
_HINT = "The head of apps/customer_service/recipes/topics.py shows how a file looks."

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]*$")]


class _Checked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HelpPage(_Checked):
    """A topic in one language; the passages are of the same topic but answer none of the questions."""

    answer: Text
    passages: Annotated[tuple[Text, ...], Field(min_length=3, max_length=5)]
    questions: Annotated[tuple[Text, ...], Field(min_length=1)]

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.answer, *self.passages, *self.questions)


class Topic(_Checked):
    """What a customer may ask about, in both languages."""

    topic: Name
    en: HelpPage
    zh: HelpPage

    @property
    def pages(self) -> dict[Language, HelpPage]:
        return {"en": self.en, "zh": self.zh}


_Split = Annotated[tuple[Topic, ...], Field(min_length=2)]  # the other topic gives a passage that is not the right one


class Trade(_Checked):
    """The topics of one trade in their splits."""

    train: _Split
    validation: _Split
    test: _Split

    def split(self, name: str) -> tuple[Topic, ...]:
        """ "train", "validation" or "test"."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    @property
    def topics(self) -> tuple[Topic, ...]:
        return (*self.train, *self.validation, *self.test)


def load_trades(folder: Path = TOPICS_FOLDER) -> dict[str, Trade]:
    """All trades under `folder` by name, in the order of the alphabet.

    Raises:
        UnreadableFile: a file that is no YAML, or none at all.
        InputError: something missing, empty, unknown or standing twice, with its place.
    """
    trades = {path.stem: _read(path) for path in sorted(folder.glob("*.yaml"))}
    if not trades:
        raise UnreadableFile(f"There are no topics in '{folder}'.", hint=_HINT)
    _check_once(trades)
    return trades


def _read(path: Path) -> Trade:
    try:
        splits = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UnreadableFile(f"'{path.name}' is no YAML: {error}", hint=_HINT) from error
    if not isinstance(splits, dict):
        raise InputError(f"'{path.name}' names no splits.", hint=_HINT)
    try:
        return Trade.model_validate(splits)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"'{path.name}', {place}: {first['msg']}.", hint=_HINT) from error


def _check_once(trades: Mapping[str, Trade]) -> None:
    """No topic twice in a trade; no answer, passage or question twice in anything that is learnt or measured."""
    seen: dict[str, str] = {}
    for text, place in _once(trades):
        if text in seen:
            raise InputError(f"'{text}' stands in {seen[text]} and again in {place}.", hint="Reword or remove one.")
        seen[text] = place


def _once(trades: Mapping[str, Trade]) -> Iterator[tuple[str, str]]:
    """What may stand once only, each with its place."""
    for name, trade in trades.items():
        for topic in trade.topics:
            yield f"{name}.{topic.topic}", f"{name}.yaml"
            for page in topic.pages.values():
                yield from ((text, f"{name}.{topic.topic}") for text in page.texts)
