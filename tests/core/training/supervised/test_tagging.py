from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.training.data.packing import UNTRAINED
from core.training.data.records import LabelledSpan, SpanLabelled
from core.training.data.text_tokens import tag_names, token_tags
from core.training.supervised.label_scores import (
    calibration_error,
    fitted_temperature,
    softmax,
)
from core.training.supervised.tagging import joined, likeliest_tags, spans_of_tags, tagged_windows, windows

NAMES = ("O", "B-A", "I-A", "B-B", "I-B")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 4))
def test_the_likeliest_tags_are_those_of_trying_all(seed: int, length: int) -> None:
    scores = np.log(softmax(np.random.default_rng(seed).normal(size=(length, 5))))

    def sensible(tags: tuple[int, ...]) -> bool:
        before = "O"
        for tag in tags:
            if NAMES[tag].startswith("I-") and before[2:] != NAMES[tag][2:]:
                return False
            before = NAMES[tag]
        return True

    possible = [tags for tags in product(range(5), repeat=length) if sensible(tags)]
    best = max(possible, key=lambda tags: sum(scores[place, tag] for place, tag in enumerate(tags)))
    assert tuple(likeliest_tags(scores, NAMES)) == best


spans_in = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from("AB")), max_size=4)


@settings(max_examples=50, deadline=None)
@given(spans_in)
def test_spans_come_back_with_the_characters_they_had(parts: list[tuple[int, int, str]]) -> None:
    """Spans of whole characters of a Chinese text go through tags and come back."""
    text, spans, at = "", [], 0
    for gap, length, label in parts:
        text += "无" * gap + "烧" * length
        spans.append(LabelledSpan(at + gap, at + gap + length, label))
        at = len(text)
    text += "，"
    offsets = [(place, place + 1) for place in range(len(text))]
    tags, unseen = token_tags(offsets, [0] * len(text), spans, {name: n for n, name in enumerate(NAMES)})
    found = spans_of_tags(text, offsets, tags.tolist(), NAMES)
    assert unseen == 0 and [span.labelled for span in found] == spans


def test_an_inside_without_a_beginning_and_white_space() -> None:
    text = "the  lost card"
    found = spans_of_tags(text, [(0, 3), (3, 9), (9, 14)], [0, 2, 3], NAMES, [0.9, 0.5, 0.8])
    assert [(span.labelled, span.probability) for span in found] == [((5, 9, "A"), 0.5), ((10, 14, "B"), 0.8)]


def test_windows_read_all_of_a_long_text_and_each_token_once(word_tokenizer: Any) -> None:
    tokenizer = word_tokenizer
    text = "my card was stolen , why is the fee so high . " * 6
    found = windows([text, "pay"], tokenizer, 16)
    assert max(len(window.ids) for window in found) <= 16 and found[-1].text == 1
    parts = []
    for window in found[:-1]:
        inner = np.flatnonzero(~window.special)
        scores = np.zeros((len(window.ids), 1))
        for order, place in enumerate(inner):
            scores[place] = min(order, len(inner) - 1 - order)
        parts.append((window, scores))
    offsets, scores = joined(parts)
    whole = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    assert offsets == [tuple(pair) for pair in whole]
    assert scores[3:-3].min() >= 1, "tokens at a window's edge are read from its neighbour"
    assert joined([]) == ([], pytest.approx(np.zeros((0, 0))))


def test_nothing_is_learned_from_a_span_that_a_window_cuts(word_tokenizer: Any) -> None:
    text = "pay " * 10 + "stolen card fee high " + "pay " * 10
    start = text.index("stolen")
    record = SpanLabelled(text=text, spans=(LabelledSpan(start, start + 20, "A"),))
    names = tag_names([record])
    tokens = tagged_windows([record], word_tokenizer, names, 12 + 2)
    seen = np.concatenate(tokens.labels)
    assert (seen == names.index("B-A")).sum() == (seen == names.index("I-A")).sum() / 3, "whole or not at all"
    assert sum((labels == UNTRAINED).sum() > 2 for labels in tokens.labels) >= 1


def test_the_temperature_is_the_likeliest_and_mends_the_calibration() -> None:
    draw = np.random.default_rng(0)
    honest = draw.normal(size=(4000, 4)) * 2
    truth = [int(draw.choice(4, p=row)) for row in softmax(honest)]
    loud = honest * 3
    found = fitted_temperature(loud, truth)
    assert found == pytest.approx(3, rel=0.06)

    def loss(temperature: float) -> float:
        return -float(np.log(softmax(loud / temperature)[range(4000), truth]).mean())

    def error(logits: Any) -> float:
        sure = softmax(logits)
        return calibration_error(sure.max(axis=1), sure.argmax(axis=1) == truth)

    assert loss(found) <= min(loss(found * 1.02), loss(found / 1.02))
    assert error(loud / found) < 0.03 < error(loud)
