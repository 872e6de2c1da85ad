"""What a recipe learns from and is measured on: prompts with their references and evidence, in three splits.

The splits come from a product (`core.products.Product.recipe_data`), from a folder of `trivium train prepare`, or from
a JSONL file whose lines may carry evidence. Nothing of one group is ever in two of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from core.config import settings
from core.errors import InputError, UnknownName, UnreadableFile
from core.evaluation.suite import spread
from core.files import decode_text, read_bytes, strict_json
from core.metrics.metric import Context, Metric
from core.products import load_products
from core.training.data.prepare import load_prepared
from core.training.data.records import SPLITS, Chat, Preference, Record, Turn, as_messages, as_turns
from core.training.data.splits import place_of

if TYPE_CHECKING:
    from core.training.pipeline.classes.labelled import LabelledData

_FIELDS = {"id", "prompt", "messages", "response", "references", "rejected", "evidence", "group", "split"}
E = TypeVar("E")
VALIDATION_SHARE, TEST_SHARE = 0.15, 0.15
"""Of the groups of a file that does not say its splits."""


@dataclass(frozen=True, slots=True)
class Example:
    """One prompt.

    Attributes:
        id: unique in the data.
        prompt: turns up to where the model answers.
        references: responses that would be right, the one to learn first.
        evidence: texts that a response may rest on.
        rejected: responses that were liked less than the first reference.
        group: examples of one group (a source article, a patient) are in one split.
        question: what metrics take for the prompt; "" for the last turn.
    """

    id: str
    prompt: tuple[Turn, ...]
    references: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    group: str = ""
    question: str = ""

    @property
    def context(self) -> Context:
        """What metrics measure a response against."""
        return Context(self.references, self.evidence, self.question or self.prompt[-1].content)

    def as_json(self) -> dict[str, Any]:
        """One line of a file that `file_data` reads."""
        return {
            "id": self.id,
            "messages": as_messages(self.prompt),
            "references": list(self.references),
            "evidence": list(self.evidence),
            "rejected": list(self.rejected),
            "group": self.group,
        }


@dataclass(frozen=True, slots=True)
class Splits(Generic[E]):
    """What is learned from, what is chosen by, what is reported on."""

    name: str
    train: tuple[E, ...]
    validation: tuple[E, ...]
    test: tuple[E, ...]

    def split(self, name: str) -> tuple[E, ...]:
        """ "train", "validation" or "test"."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    def limited(self, limits: Mapping[str, int | None]) -> Self:
        """At most so many of each split, spread evenly."""

        def kept(name: str) -> tuple[E, ...]:
            rows = self.split(name)
            return tuple(rows[place] for place in spread(len(rows), limits.get(name)))

        return replace(self, train=kept("train"), validation=kept("validation"), test=kept("test"))


@dataclass(frozen=True, slots=True)
class RecipeData(Splits[Example]):
    """Three splits of examples; `metrics` are measures of the product's own that recipes may name."""

    metrics: Mapping[str, Metric] = field(default_factory=dict)


def sha256_of_examples(data: RecipeData, splits: Sequence[str] = SPLITS) -> str:
    """One hash of everything in the splits."""
    digest = hashlib.sha256()
    for name in splits:
        for example in data.split(name):
            line = [name, example.as_json(), example.question]
            digest.update(json.dumps(line, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def check_data(data: RecipeData) -> None:
    """Raises `InputError` for an empty split, one group held out alone, an example twice, or a group or prompt in two
    splits."""
    for name in SPLITS:
        if not data.split(name):
            raise InputError(
                f"The data '{data.name}' has no {name} examples.",
                hint="Training, choosing and the last evaluation each need their own.",
            )
    for name in ("validation", "test"):
        if len({example.group or example.id for example in data.split(name)}) < 2:
            raise InputError(
                f"The {name} examples of '{data.name}' are of one group: nothing could be told from chance.",
                hint="Hold out more groups.",
            )
    place: dict[tuple[str, object], str] = {}
    ids: set[str] = set()
    for name in SPLITS:
        for example in data.split(name):
            if not example.prompt or example.prompt[-1].role == "assistant":
                raise InputError(f"The example '{example.id}' does not end with a question.", hint="Mend the data.")
            if example.id in ids:
                raise InputError(f"Two examples are called '{example.id}'.", hint="Give each an id of its own.")
            ids.add(example.id)
            keys: list[tuple[str, object]] = [("prompt", example.prompt)]
            keys += [("group", example.group)] if example.group else []
            for key in keys:
                if place.setdefault(key, name) != name:
                    raise InputError(
                        f"The {key[0]} of '{example.id}' is in {place[key]} and in {name}; figures on the one would "
                        "say nothing.",
                        hint="Split by group.",
                    )


def product_data(name: str) -> RecipeData | LabelledData:
    """The data a product declares under `name`. Raises `UnknownName`."""
    sources = {name: make for product in load_products() for name, make in product.recipe_data.items()}
    if name not in sources:
        raise UnknownName("training data", name, list(sources))
    return sources[name]()


def prepared_data(folder: Path) -> RecipeData:
    """Conversations or preferences prepared by `trivium train prepare`. Raises as `load_prepared` does."""
    prepared = load_prepared(folder)
    train, validation, test = (tuple(map(_of_record, prepared.splits[name])) for name in SPLITS)
    return RecipeData(folder.name, train, validation, test)


def _of_record(record: Record) -> Example:
    if isinstance(record, Chat) and record.response is not None:
        return Example(record.id, record.prompt, (record.response,), group=record.group or "")
    if isinstance(record, Chat):
        return Example(record.id, record.prompt, group=record.group or "")
    if isinstance(record, Preference):
        return Example(
            record.id, record.prompt, (record.chosen,), rejected=(record.rejected,), group=record.group or ""
        )
    raise InputError(
        f"There are {record.kind} records where conversations or preferences are needed.",
        hint="Prepare data with prompts and responses.",
    )


def file_data(path: Path, seed: int) -> RecipeData:
    """A JSONL file: `prompt` (text) or `messages`, and `response` or `references`, `rejected`, `evidence`, `group`,
    `split`, `id`, of which only the first is needed. Where no line has a split, groups are split by a hash.

    Raises:
        UnreadableFile, InputError: naming the line.
    """
    text = decode_text(read_bytes(path, max_bytes=settings().max_upload_bytes), path.name)
    examples: list[tuple[str | None, Example]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                row = strict_json(line)
            except ValueError as error:
                raise UnreadableFile(
                    f"'{path}', line {number}: {error}.", hint="Write one JSON object a line."
                ) from error
            try:
                examples.append(_of_row(row, number))
            except InputError as error:
                raise InputError(f"'{path}', line {number}: {error.message}", hint=error.hint) from error
    stated = [split for split, _ in examples if split]
    if stated and len(stated) < len(examples):
        raise InputError(f"'{path}': some lines say their split and some do not.", hint="Say it in all or in none.")
    splits: dict[str, list[Example]] = {name: [] for name in SPLITS}
    for split, example in examples:
        splits[split or _drawn_split(example, seed)].append(example)
    train, validation, test = (tuple(splits[name]) for name in SPLITS)
    return RecipeData(path.stem, train, validation, test)


def _drawn_split(example: Example, seed: int) -> str:
    place = place_of(example.group or repr(example.prompt), seed)
    if place < TEST_SHARE:
        return "test"
    return "validation" if place < TEST_SHARE + VALIDATION_SHARE else "train"


def _of_row(row: Any, number: int) -> tuple[str | None, Example]:
    if not isinstance(row, dict):
        raise InputError("it is not an object.", hint='Write {"prompt": …, "response": …}.')
    if unknown := sorted(row.keys() - _FIELDS):
        raise InputError(f"the field '{unknown[0]}' is not known.", hint=f"Known: {', '.join(sorted(_FIELDS))}.")
    if ("prompt" in row) == ("messages" in row):
        raise InputError(
            "it needs either 'prompt' or 'messages'.", hint="A prompt is a text, messages a list of turns."
        )
    if "response" in row and "references" in row:
        raise InputError("it has 'response' and 'references'.", hint="Give one of them.")
    prompt = as_turns(row["messages"]) if "messages" in row else (Turn("user", _text(row, "prompt")),)
    split = row.get("split")
    if split is not None and split not in SPLITS:
        raise InputError(f"the split {split!r} is not known.", hint=f"Splits: {', '.join(SPLITS)}.")
    references = (_text(row, "response"),) if "response" in row else _texts(row, "references")
    example = Example(
        id=str(row.get("id") or number),
        prompt=prompt,
        references=references,
        evidence=_texts(row, "evidence"),
        rejected=_texts(row, "rejected"),
        group=str(row.get("group") or ""),
    )
    return split, example


def _texts(row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = row.get(name, [])
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise InputError(f"'{name}' is neither a text nor a list of texts.", hint="Leave it out where there is none.")
    return tuple(texts)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"'{name}' is no text.", hint="It must not be empty.")
    return value
