"""From scores of tags to spans of a text, with the characters they begin and end at.

Tags are IOB2 as `core.training.data.text_tokens.tag_names` has them. The likeliest sequence is taken among those that
make sense: an I follows a B or I of its own label (Viterbi 1967). A text longer than the model is read in windows that
overlap, and each token is believed where it stands farthest from a window's edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.training.data.chat_tokens import TokenCounts
from core.training.data.packing import UNTRAINED
from core.training.data.records import LabelledSpan, SpanLabelled
from core.training.data.text_tokens import LabelledTokens, token_tags

Offsets = Sequence[tuple[int, int]]
_OVERLAP = 4
"""Windows share one part in so many of their tokens."""


@dataclass(frozen=True, slots=True)
class FoundSpan:
    """A span `[start, end)` in characters; `probability` is that of its least likely tag."""

    start: int
    end: int
    label: str
    probability: float

    @property
    def labelled(self) -> LabelledSpan:
        return LabelledSpan(self.start, self.end, self.label)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Some tokens of text `text`: ids with special tokens, character offsets, and which are special."""

    text: int
    ids: npt.NDArray[np.int32]
    offsets: tuple[tuple[int, int], ...]
    special: npt.NDArray[np.bool_]


def windows(texts: Sequence[str], tokenizer: Any, max_tokens: int) -> list[Window]:
    """All of every text, in windows of at most `max_tokens`."""
    encoded = tokenizer(
        list(texts),
        truncation=True,
        max_length=max_tokens,
        stride=max_tokens // _OVERLAP,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
    )
    names = ("overflow_to_sample_mapping", "input_ids", "offset_mapping", "special_tokens_mask")
    return [
        Window(text, np.array(ids, dtype=np.int32), tuple(map(tuple, offsets)), np.array(special, dtype=bool))
        for text, ids, offsets, special in zip(*(encoded[name] for name in names), strict=True)
    ]


def tagged_windows(
    records: Sequence[SpanLabelled], tokenizer: Any, names: Sequence[str], max_tokens: int
) -> LabelledTokens:
    """Ids and tags of windows over all of every text, to learn from. Nothing is learned from a span that a window's
    edge cuts: where it begins would be told wrongly.
    """
    numbers = {name: number for number, name in enumerate(names)}
    found = windows([record.text for record in records], tokenizer, max_tokens)
    ids, labels = [], []
    for window in found:
        spans = records[window.text].spans
        tags, _ = token_tags(window.offsets, window.special.tolist(), spans, numbers)
        inner = [window.offsets[place] for place in np.flatnonzero(~window.special)]
        if not inner:
            continue
        cut = [span for span in spans if span.start < inner[0][0] < span.end or span.start < inner[-1][1] < span.end]
        for place, (start, end) in enumerate(window.offsets):
            if any(start < span.end and span.start < end for span in cut):
                tags[place] = UNTRAINED
        ids.append(window.ids)
        labels.append(tags)
    total = sum(map(len, ids))
    return LabelledTokens(ids, labels, tuple(names), TokenCounts(len(records), len(ids), total, total))


def joined(
    parts: Sequence[tuple[Window, npt.NDArray[np.float64]]],
) -> tuple[list[tuple[int, int]], npt.NDArray[np.float64]]:
    """The tokens of one text in order, each once, with its row of scores.

    Args:
        parts: the text's windows, each with scores ``(T, C)`` of its tokens.
    """
    best: dict[tuple[int, int], tuple[int, npt.NDArray[np.float64]]] = {}
    for window, scores in parts:
        inner = np.flatnonzero(~window.special)
        for order, place in enumerate(inner.tolist()):
            span = window.offsets[place]
            depth = min(order, len(inner) - 1 - order)
            if span[0] < span[1] and (span not in best or depth > best[span][0]):
                best[span] = (depth, scores[place])
    offsets = sorted(best)
    rows = [best[span][1] for span in offsets]
    return offsets, np.array(rows) if rows else np.zeros((0, 0))


def likeliest_tags(log_probabilities: npt.NDArray[np.float64], names: Sequence[str]) -> list[int]:
    """The sequence of tags with the highest sum of ``(T, C)`` log-probabilities among those that make sense."""
    if not len(log_probabilities):
        return []
    allowed = np.array([[_may_follow(before, tag) for tag in names] for before in names])
    penalty = np.where(allowed, 0.0, -np.inf)  # (before, tag)
    score = log_probabilities[0] + [0.0 if _may_follow("O", tag) else -np.inf for tag in names]
    steps = []
    for row in log_probabilities[1:]:
        reached = score[:, None] + penalty
        steps.append(reached.argmax(axis=0))
        score = reached.max(axis=0) + row
    tags = [int(score.argmax())]
    for step in reversed(steps):
        tags.append(int(step[tags[-1]]))
    return tags[::-1]


def spans_of_tags(
    text: str, offsets: Offsets, tags: Sequence[int], names: Sequence[str], probabilities: Sequence[float] | None = None
) -> tuple[FoundSpan, ...]:
    """The spans that tags of tokens make; white space at their ends is not part of them.

    An I without its B begins a span of its own.

    Args:
        probabilities: of each token's tag; default: 1.
    """
    sure = probabilities if probabilities is not None else [1.0] * len(tags)
    spans: list[FoundSpan] = []
    open_label = ""
    for (start, end), tag, probability in zip(offsets, tags, sure, strict=True):
        place, _, label = names[tag].partition("-")
        if place == "I" and label == open_label:
            last = spans[-1]
            spans[-1] = FoundSpan(last.start, end, label, min(last.probability, probability))
        elif place != "O":
            spans.append(FoundSpan(start, end, label, probability))
        open_label = label
    trimmed = (_trimmed(text, span) for span in spans)
    return tuple(span for span in trimmed if span.start < span.end)


def _may_follow(before: str, tag: str) -> bool:
    return not tag.startswith("I-") or before[2:] == tag[2:]


def _trimmed(text: str, span: FoundSpan) -> FoundSpan:
    inside = text[span.start : span.end]
    start = span.start + len(inside) - len(inside.lstrip())
    return FoundSpan(start, max(start, span.start + len(inside.rstrip())), span.label, span.probability)
