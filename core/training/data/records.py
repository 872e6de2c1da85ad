"""What is trained on: one frozen record type a kind of annotation, each with an id made of its content.

Two records with the same content have the same id, wherever and whenever they were read; group, difficulty and split
say something about a record and are not part of it.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, cast, get_args

from core.errors import InputError
from core.prompts.messages import Message, Role
from core.text import Span

SPLITS = ("train", "validation", "test")


class Turn(NamedTuple):
    """One turn of a conversation; role is 'system', 'user' or 'assistant'."""

    role: Role
    content: str


class LabelledSpan(NamedTuple):
    """A stretch `[start, end)` of a text, in characters, and what it is."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(ABC):
    """What all kinds share.

    Attributes:
        group: records of one group never stand in different splits (a dialogue, a patient, a source passage).
        difficulty: given by the annotator, any scale; larger is harder.
        split: 'train', 'validation' or 'test' where the source says so.
        id: 20 hex digits of the sha256 of kind and content.
    """

    kind: ClassVar[str] = ""
    group: str | None = None
    difficulty: float | None = None
    split: str | None = None
    id: str = field(init=False, default="")

    def __post_init__(self) -> None:
        canonical = json.dumps([self.kind, self.content()], ensure_ascii=False, sort_keys=True)
        digest = hashlib.sha256(canonical.encode("utf-8", errors="surrogatepass")).hexdigest()[:20]
        object.__setattr__(self, "id", digest)

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """The annotated content as plain JSON."""

    @abstractmethod
    def texts(self) -> tuple[str, ...]:
        """Every text of the record, the input first. What `with_texts` takes back."""

    @abstractmethod
    def with_texts(self, texts: tuple[str, ...]) -> Record:
        """The same record with its texts replaced, one for one."""

    def fields(self) -> tuple[str, ...]:
        """The input as one text, then each answer: two records are near-duplicates if they are so in every field."""
        return self.texts()

    def question(self) -> str:
        """What the annotation answers: records with the same question and another annotation contradict each other."""
        return "\x1f".join((self.kind, *self.texts()))

    def stratum(self) -> str:
        """The class by which splits are stratified; empty for kinds without one."""
        return ""

    def as_json(self) -> dict[str, Any]:
        """One line of a prepared file."""
        about = {"group": self.group, "difficulty": self.difficulty}
        return {"id": self.id, **self.content(), **{name: value for name, value in about.items() if value is not None}}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainText(Record):
    """A text to go on learning the language of a field from."""

    kind: ClassVar[str] = "plain"
    text: str

    def content(self) -> dict[str, Any]:
        return {"text": self.text}

    def texts(self) -> tuple[str, ...]:
        return (self.text,)

    def with_texts(self, texts: tuple[str, ...]) -> PlainText:
        return replace(self, text=texts[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled(Record):
    """A text and its class."""

    kind: ClassVar[str] = "labelled"
    text: str
    label: str

    def content(self) -> dict[str, Any]:
        return {"text": self.text, "label": self.label}

    def texts(self) -> tuple[str, ...]:
        return (self.text,)

    def with_texts(self, texts: tuple[str, ...]) -> Labelled:
        return replace(self, text=texts[0])

    def stratum(self) -> str:
        return self.label


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiLabelled(Record):
    """A text and any number of classes, in order; none is an answer too."""

    kind: ClassVar[str] = "multilabelled"
    text: str
    labels: tuple[str, ...]

    def content(self) -> dict[str, Any]:
        return {"text": self.text, "labels": list(self.labels)}

    def texts(self) -> tuple[str, ...]:
        return (self.text,)

    def with_texts(self, texts: tuple[str, ...]) -> MultiLabelled:
        return replace(self, text=texts[0])

    def stratum(self) -> str:
        return min(self.labels, default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPair(Record):
    """Two texts and, for a classification of pairs, how they stand to each other."""

    kind: ClassVar[str] = "pairs"
    first: str
    second: str
    label: str | None = None

    def content(self) -> dict[str, Any]:
        label = {} if self.label is None else {"label": self.label}
        return {"first": self.first, "second": self.second, **label}

    def texts(self) -> tuple[str, ...]:
        return (self.first, self.second)

    def with_texts(self, texts: tuple[str, ...]) -> TextPair:
        return replace(self, first=texts[0], second=texts[1])

    def stratum(self) -> str:
        return self.label or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLabelled(Record):
    """A text and the labelled stretches of it, in order; they may overlap. An unmarked text is a record too."""

    kind: ClassVar[str] = "spans"
    text: str
    spans: tuple[LabelledSpan, ...]

    def content(self) -> dict[str, Any]:
        return {"text": self.text, "spans": [list(span) for span in self.spans]}

    def texts(self) -> tuple[str, ...]:
        return (self.text,)

    def with_texts(self, texts: tuple[str, ...]) -> SpanLabelled:
        return replace(self, text=texts[0])

    def stratum(self) -> str:
        return min((span.label for span in self.spans), default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat(Record):
    """A conversation. Where it ends with the assistant, `prompt` and `response` are its two parts."""

    kind: ClassVar[str] = "chat"
    turns: tuple[Turn, ...]

    @property
    def prompt(self) -> tuple[Turn, ...]:
        """The turns before the last answer; all of them where there is no last answer."""
        return self.turns[:-1] if self.turns[-1].role == "assistant" else self.turns

    @property
    def response(self) -> str | None:
        """The last answer, or None where the conversation ends with a question."""
        return self.turns[-1].content if self.turns[-1].role == "assistant" else None

    def content(self) -> dict[str, Any]:
        return {"messages": as_messages(self.turns)}

    def texts(self) -> tuple[str, ...]:
        return tuple(turn.content for turn in self.turns)

    def with_texts(self, texts: tuple[str, ...]) -> Chat:
        return replace(self, turns=_with_contents(self.turns, texts))

    def fields(self) -> tuple[str, ...]:
        return (_joined(self.prompt), self.response or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference(Record):
    """A prompt, an answer that was preferred, and one that was not."""

    kind: ClassVar[str] = "preference"
    prompt: tuple[Turn, ...]
    chosen: str
    rejected: str

    def content(self) -> dict[str, Any]:
        return {"prompt": as_messages(self.prompt), "chosen": self.chosen, "rejected": self.rejected}

    def texts(self) -> tuple[str, ...]:
        return (*(turn.content for turn in self.prompt), self.chosen, self.rejected)

    def with_texts(self, texts: tuple[str, ...]) -> Preference:
        return replace(self, prompt=_with_contents(self.prompt, texts[:-2]), chosen=texts[-2], rejected=texts[-1])

    def fields(self) -> tuple[str, ...]:
        return (_joined(self.prompt), self.chosen, self.rejected)

    def question(self) -> str:
        answers = sorted((self.chosen, self.rejected))
        return "\x1f".join((self.kind, *(turn.content for turn in self.prompt), *answers))


KINDS: Mapping[str, type[Record]] = {
    kind.kind: kind for kind in (PlainText, Labelled, MultiLabelled, TextPair, SpanLabelled, Chat, Preference)
}


def as_messages(turns: tuple[Turn, ...]) -> list[Message]:
    """Turns as the messages a chat template takes."""
    return [{"role": turn.role, "content": turn.content} for turn in turns]


def as_turns(messages: object) -> tuple[Turn, ...]:
    """Turns of `[{"role": …, "content": …}, …]` as written by `as_messages`. Raises `InputError`."""
    if not isinstance(messages, list) or not messages:
        raise InputError("There is no turn.")
    turns = []
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if role not in get_args(Role) or not isinstance(content, str):
            raise InputError(f"A turn has the role {role!r} and content of type {type(content).__name__}.")
        turns.append(Turn(cast("Role", role), content))
    return tuple(turns)


def check_spans(text: str, spans: tuple[LabelledSpan, ...]) -> tuple[LabelledSpan, ...]:
    """`spans` in order. Raises `InputError` for one that is empty, outside `text` or without a label."""
    for span in spans:
        if not 0 <= span.start < span.end <= len(text):
            raise InputError(f"The span [{span.start}, {span.end}) is not inside the text of {len(text)} characters.")
        if not span.label:
            raise InputError(f"The span [{span.start}, {span.end}) has no label.")
    return tuple(sorted(set(spans)))


def from_json(kind: str, row: Mapping[str, Any], *, split: str | None = None) -> Record:
    """A record of a prepared file's line. Raises `InputError` where the line was not written by `as_json`."""
    if not isinstance(row, dict):
        raise InputError(f"A prepared line is not of the kind '{kind}': no object.", hint="Prepare it again.")
    about: dict[str, Any] = {"group": row.get("group"), "difficulty": row.get("difficulty"), "split": split}
    try:
        record = _read(kind, row, about)
        record_id = record.id
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"A prepared line is not of the kind '{kind}': {error}.", hint="Prepare it again.") from error
    if row.get("id") != record_id:
        raise InputError(f"The record '{row.get('id')}' was changed after it was prepared.", hint="Prepare it again.")
    return record


def _read(kind: str, row: Mapping[str, Any], about: dict[str, Any]) -> Record:
    if kind == "plain":
        return PlainText(text=row["text"], **about)
    if kind == "labelled":
        return Labelled(text=row["text"], label=row["label"], **about)
    if kind == "multilabelled":
        return MultiLabelled(text=row["text"], labels=tuple(row["labels"]), **about)
    if kind == "pairs":
        return TextPair(first=row["first"], second=row["second"], label=row.get("label"), **about)
    if kind == "spans":
        spans = tuple(LabelledSpan(*span) for span in row["spans"])
        return SpanLabelled(text=row["text"], spans=check_spans(row["text"], spans), **about)
    if kind == "chat":
        return Chat(turns=as_turns(row["messages"]), **about)
    if kind == "preference":
        return Preference(prompt=as_turns(row["prompt"]), chosen=row["chosen"], rejected=row["rejected"], **about)
    raise InputError(f"There is no kind of record named '{kind}'.", hint=f"Kinds: {', '.join(KINDS)}.")


def span_of(labelled: LabelledSpan) -> Span:
    """The place of a labelled span."""
    return Span(labelled.start, labelled.end)


def _joined(turns: tuple[Turn, ...]) -> str:
    return "\n".join(turn.content for turn in turns)


def _with_contents(turns: tuple[Turn, ...], contents: tuple[str, ...]) -> tuple[Turn, ...]:
    return tuple(Turn(turn.role, content) for turn, content in zip(turns, contents, strict=True))
