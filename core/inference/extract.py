"""Extraction into a schema: a language model fills the fields, and each value is looked for in the text.

A value that does not stand in the text is marked as such: it is the model's own, and a page must not show it as read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from core.inference.constraint import matching_schema
from core.inference.generator import Completion, Generator, Sampling
from core.prompts.messages import Message, Prompt
from core.text.language import Language, detect_language
from core.text.spans import Span

M = TypeVar("M", bound=BaseModel)

_TASK: Mapping[Language, str] = {
    "en": "Read the text and fill in the fields. Copy values from the text as they stand there. {instruction}\n"
    "Fields: {fields}\n\nText:\n{text}",
    "zh": "阅读文本并填写字段。字段的值照抄文本中的原文。{instruction}\n字段：{fields}\n\n文本：\n{text}",
}
_NUMBER = re.compile(r"[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Field:
    """A value that was filled in.

    Attributes:
        path: where in the object, such as `parties[0].name`.
        value: a text or a number.
        span: where it first stands in the text; None where it does not.
    """

    path: str
    value: str | int | float
    span: Span | None


@dataclass(frozen=True, slots=True)
class Extraction(Generic[M]):
    """What was read from one text.

    Attributes:
        value: the object; None where there is none, and `problem` says why.
        fields: its texts and numbers with their spans. Truth values and choices of a fixed set that do not stand in the
            text have no span either.
    """

    value: M | None
    fields: tuple[Field, ...]
    completion: Completion
    problem: str = ""

    @property
    def unlocated(self) -> tuple[Field, ...]:
        """Values that do not stand in the text."""
        return tuple(field for field in self.fields if field.span is None)


def extract(
    generator: Generator,
    texts: Sequence[str],
    schema: type[M],
    *,
    instruction: str = "",
    sampling: Sampling | None = None,
) -> list[Extraction[M]]:
    """Fill `schema` from each text, constrained to be valid, and locate each value.

    Args:
        schema: with descriptions of its fields where their names do not say enough, and bounded strings and lists.
        instruction: what else the model should know.
        sampling: how to write; its constraint is not looked at. Default: the likeliest text of at most 512 tokens.
    """
    used = replace(sampling or Sampling(max_tokens=512), constraint=matching_schema(schema), n=1)
    completions = generator.generate([extraction_prompt(text, schema, instruction) for text in texts], used)
    return [_extraction(text, schema, completion) for text, completion in zip(texts, completions, strict=True)]


def extraction_prompt(text: str, schema: type[BaseModel], instruction: str = "") -> Prompt:
    """What the model is asked."""
    return [Message(role="user", content=extraction_task(text, schema, instruction))]


def extraction_task(text: str, schema: type[BaseModel], instruction: str = "") -> str:
    """What the model is asked, as one text in the language of `text`."""
    fields = "; ".join(
        f"{name} ({field.description})" if field.description else name for name, field in schema.model_fields.items()
    )
    return _TASK[detect_language(text)].format(instruction=instruction, fields=fields, text=text)


def locate(value: str | int | float, text: str) -> Span | None:
    """Where a value first stands in a text: a number by its value, a text whatever its case, width and white space."""
    if isinstance(value, str):
        return _locate_text(value, text)
    wanted = Decimal(str(value))
    for match in _NUMBER.finditer(text):
        start = match.start()
        if text[start] in "-−" and start and text[start - 1].isalnum():  # a dash, as in 3-5
            start += 1
        if Decimal(text[start : match.end()].replace(",", "").replace("−", "-")) == wanted:
            return Span(start, match.end())
    return None


def _extraction(text: str, schema: type[M], completion: Completion) -> Extraction[M]:
    try:
        value = schema.model_validate_json(completion.text)
    except ValidationError as error:
        cut = completion.finish_reason == "length"
        problem = "the answer was cut at max_tokens" if cut else f"not valid: {error.errors()[0]['msg']}"
        return Extraction(None, (), completion, problem)
    leaves = _leaves(value.model_dump(mode="json"), "")
    return Extraction(value, tuple(Field(path, leaf, locate(leaf, text)) for path, leaf in leaves), completion)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str | int | float]]:
    """Texts and numbers with their paths; empty texts, nulls and truth values say nothing that could be located."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
        yield path, value


def _locate_text(value: str, text: str) -> Span | None:
    wanted, _ = _folded(value)
    folded, origin = _folded(text)
    place = folded.find(wanted) if wanted else -1
    while place >= 0:
        span = Span(origin[place], origin[place + len(wanted) - 1] + 1)
        if not _inside_word(span, text):
            return span
        place = folded.find(wanted, place + 1)
    if _NUMBER.fullmatch(value.strip()):
        return locate(float(value.replace(",", "").replace("−", "-")), text)
    return None


def _inside_word(span: Span, text: str) -> bool:
    """Whether the span cuts a word or number of ASCII: "12" is not found in 2012, nor "art" in "part"."""
    return any(
        0 < at < len(text) and all(character.isascii() and character.isalnum() for character in text[at - 1 : at + 1])
        for at in (span.start, span.end)
    )


def _folded(text: str) -> tuple[str, list[int]]:
    """Half-width, lower-case, without white space; and which character of `text` each character comes from."""
    letters: list[str] = []
    origin: list[int] = []
    for index, character in enumerate(text):
        for letter in unicodedata.normalize("NFKC", character).casefold():
            if not letter.isspace():
                letters.append(letter)
                origin.append(index)
    return "".join(letters), origin
