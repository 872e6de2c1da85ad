"""Pairs of passages for objectives that ask how two texts stand to each other.

`next_sentence_pairs` follows Devlin et al. 2019, section 3.1: does the second follow the first? `sentence_order_pairs`
follows Lan et al. 2020, "ALBERT", section 3.1: are the two in their order? Topic alone cannot answer that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.errors import InputError
from core.text import split_sentences
from core.training.data.draws import generator
from core.training.data.records import PlainText, TextPair

NEXT, OTHER = "next", "other"
ORDERED, SWAPPED = "ordered", "swapped"


def next_sentence_pairs(records: Sequence[PlainText], *, seed: int, epoch: int) -> list[TextPair]:
    """One pair for each two neighbouring sentences of a text: half with the true next sentence, half with another's.

    Which half a pair is in, and the other text and sentence, are drawn for (seed, epoch, text, place). The other never
    is the true one's twin.

    Raises:
        InputError: fewer than two texts, or no text with two sentences.
    """
    texts = [_sentences(record.text) for record in records]
    if len(texts) < 2:
        raise InputError("Pairs need at least two texts.", hint="Add texts.")
    pairs: list[TextPair] = []
    for number, (record, sentences) in enumerate(zip(records, texts, strict=True)):
        for place in range(len(sentences) - 1):
            draw = generator(seed, "next", epoch, record.id, place)
            first, second, label = sentences[place], sentences[place + 1], NEXT
            if draw.random() < 0.5:
                other = _other_sentence(texts, number, second, draw)
                if other is not None:
                    second, label = other, OTHER
            pairs.append(TextPair(first=first, second=second, label=label, group=record.group or record.id))
    return _some(pairs)


def sentence_order_pairs(records: Sequence[PlainText], *, seed: int, epoch: int) -> list[TextPair]:
    """One pair for each two neighbouring sentences, half of them swapped. Raises `InputError` where there is none."""
    pairs: list[TextPair] = []
    for record in records:
        sentences = _sentences(record.text)
        for place in range(len(sentences) - 1):
            first, second = sentences[place], sentences[place + 1]
            if first == second:
                continue
            swapped = bool(generator(seed, "order of", epoch, record.id, place).random() < 0.5)
            pairs.append(
                TextPair(
                    first=second if swapped else first,
                    second=first if swapped else second,
                    label=SWAPPED if swapped else ORDERED,
                    group=record.group or record.id,
                )
            )
    return _some(pairs)


def _sentences(text: str) -> list[str]:
    return [span.of(text) for span in split_sentences(text)]


def _other_sentence(
    texts: Sequence[Sequence[str]], number: int, true_next: str, draw: np.random.Generator
) -> str | None:
    """A sentence of another text that is not the true next one; None where ten draws find none."""
    for _ in range(10):
        chosen = int(draw.integers(len(texts) - 1))
        sentences = texts[chosen + (chosen >= number)]
        if sentences:
            sentence = sentences[int(draw.integers(len(sentences)))]
            if sentence != true_next:
                return sentence
    return None


def _some(pairs: list[TextPair]) -> list[TextPair]:
    if not pairs:
        raise InputError("No text has two sentences.", hint="Give longer texts.")
    return pairs
