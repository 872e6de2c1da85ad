"""Sentences of an item's text, with names, dates and amounts where spaCy's model is there to mark them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.models import is_available, load_spacy
from core.text import Span, split_sentences

SPACY_MODEL = "en_core_web_sm"
_KINDS = frozenset(("ORG", "PERSON", "DATE", "MONEY", "PERCENT"))
# An item of an 8-K runs to a few thousand characters; a longer one is an attached agreement or an attack.
MAX_CHARACTERS = 60_000
_PARAGRAPH = re.compile(r"[^\n]+")


@dataclass(frozen=True, slots=True)
class Entity:
    """A name, date or amount in a text, with spaCy's label."""

    kind: str
    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with its span in the text it was split from."""

    span: Span
    text: str
    entities: tuple[Entity, ...] = ()


SentenceReader = Callable[[str], list[Sentence]]


def sentence_reader() -> tuple[SentenceReader, bool]:
    """A reader of sentences, and whether it marks entities (with spaCy) or not."""
    return (_read_with_entities, True) if is_available(SPACY_MODEL) else (_read_plain, False)


def _read_plain(text: str) -> list[Sentence]:
    """Sentences by punctuation; a line break ends one too, since lines of a filing are paragraphs."""
    found: list[Sentence] = []
    for line in _PARAGRAPH.finditer(text[:MAX_CHARACTERS]):
        for span in split_sentences(line.group()):
            shifted = span.shift(line.start())
            found.append(Sentence(shifted, shifted.of(text)))
    return found


def _read_with_entities(text: str) -> list[Sentence]:
    """The same sentences with spaCy's entities.

    The boundaries stay ours: the small model's parser ends a sentence at "Inc. (the", which filings are full of.
    """
    pipeline = load_spacy(SPACY_MODEL, disable=("parser", "lemmatizer"))
    sentences = _read_plain(text)
    parsed = pipeline.pipe(sentence.text for sentence in sentences)
    return [
        Sentence(sentence.span, sentence.text, _entities(document, sentence.span.start))
        for sentence, document in zip(sentences, parsed, strict=True)
    ]


def _entities(document: Any, start: int) -> tuple[Entity, ...]:
    return tuple(
        Entity(entity.label_, Span(start + entity.start_char, start + entity.end_char), entity.text)
        for entity in document.ents
        if entity.label_ in _KINDS and len(entity.text) > 2
    )
