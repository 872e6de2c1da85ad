"""Texts, pairs and labelled spans as token ids, for encoders and for continued pretraining."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.progress import ProgressCallback
from core.training.data.chat_tokens import TokenCounts, TokenSequences
from core.training.data.packing import UNTRAINED, Ids
from core.training.data.records import (
    Labelled,
    LabelledSpan,
    MultiLabelled,
    PlainText,
    Record,
    SpanLabelled,
    TextPair,
)

_AT_ONCE = 256


@dataclass(frozen=True, slots=True, eq=False)
class LabelledTokens:
    """Sequences and their labels: one a sequence, one a token (`UNTRAINED` for special tokens), or a row of 0 and 1 a
    sequence, ``(n, C)``.

    Attributes:
        names: the labels' names by number; for spans "O" first, then "B-…" and "I-…".
        lost_spans: spans that no token of the sequence stands for (cut off, or between tokens).
    """

    ids: Sequence[Ids]
    labels: Sequence[npt.NDArray[np.int64]] | npt.NDArray[np.int64]
    names: tuple[str, ...]
    counts: TokenCounts
    lost_spans: int = 0


def plain_sequences(
    records: Sequence[PlainText], tokenizer: Any, *, progress: ProgressCallback | None = None
) -> TokenSequences:
    """Whole texts without special tokens and without a limit, every token learnt; `causal_blocks` cuts them."""
    ids: list[Ids] = []
    for chunk in _chunks([record.text for record in records]):
        ids += [np.array(row, dtype=np.int32) for row in tokenizer(chunk, add_special_tokens=False)["input_ids"]]
        if progress:
            progress(len(ids), len(records))
    total = sum(map(len, ids))
    learnt = [np.ones(len(row), dtype=bool) for row in ids]
    return TokenSequences(ids, learnt, [r.id for r in records], TokenCounts(len(ids), len(ids), total, total))


def label_names(records: Sequence[Record]) -> tuple[str, ...]:
    """The classes of labelled texts or pairs, in order. Raises `InputError` for records without labels."""
    several = [record.labels for record in records if isinstance(record, MultiLabelled)]
    if several:
        return tuple(sorted({label for labels in several for label in labels}))
    names = tuple(sorted({record.stratum() for record in records}))
    if not names or "" in names:
        raise InputError("There are records without a label.", hint="Prepare labelled texts or pairs.")
    return names


def classified_sequences(
    records: Sequence[Labelled | MultiLabelled | TextPair], tokenizer: Any, names: Sequence[str], max_tokens: int
) -> LabelledTokens:
    """Texts or pairs with their special tokens, cut at `max_tokens` (of a pair, the longer text), and their classes.

    Raises:
        InputError: a label is not among `names` (the classes of the training split).
    """
    numbers = {name: number for number, name in enumerate(names)}
    unknown = sorted(set(label_names(records)) - set(names))
    if unknown:
        raise InputError(
            f"{len(unknown)} labels are not among those learnt, e.g. '{unknown[0]}'.",
            hint="Split so that every label is in train (--stratify).",
        )
    ids: list[Ids] = []
    cut = truncated = 0
    for chunk in _chunks(records):
        texts = [record.texts() for record in chunk]
        columns = [list(column) for column in zip(*texts, strict=True)]
        whole = tokenizer(*columns)["input_ids"]
        short = tokenizer(*columns, truncation="longest_first", max_length=max_tokens)["input_ids"]
        lost = [len(long) - len(kept) for long, kept in zip(whole, short, strict=True)]
        truncated += sum(number > 0 for number in lost)
        cut += sum(lost)
        ids += [np.array(row, dtype=np.int32) for row in short]
    labels = _label_rows(records, numbers)
    counts = TokenCounts(len(ids), len(ids), sum(map(len, ids)), len(ids), truncated, cut)
    return LabelledTokens(ids, labels, tuple(names), counts)


def _label_rows(
    records: Sequence[Labelled | MultiLabelled | TextPair], numbers: Mapping[str, int]
) -> npt.NDArray[np.int64]:
    """``(n,)`` classes, or ``(n, C)`` of 0 and 1 for texts with any number of them."""
    if not any(isinstance(record, MultiLabelled) for record in records):
        return np.array([numbers[record.stratum()] for record in records], dtype=np.int64)
    rows = np.zeros((len(records), len(numbers)), dtype=np.int64)
    for row, record in zip(rows, records, strict=True):
        for label in record.labels if isinstance(record, MultiLabelled) else (record.stratum(),):
            row[numbers[label]] = 1
    return rows


def tag_names(records: Sequence[SpanLabelled]) -> tuple[str, ...]:
    """IOB2 tags for the span labels that occur. Raises `InputError` where there is none."""
    labels = sorted({span.label for record in records for span in record.spans})
    if not labels:
        raise InputError("No text has a labelled span.", hint="Prepare texts with spans.")
    return ("O", *(f"{place}-{label}" for label in labels for place in "BI"))


def tagged_sequences(
    records: Sequence[SpanLabelled], tokenizer: Any, names: Sequence[str], max_tokens: int
) -> LabelledTokens:
    """Texts with a tag for each token; a fast tokenizer is needed, since tags go by character offsets."""
    if not tokenizer.is_fast:
        raise InputError("Spans need a tokenizer that tells character offsets.", hint="Choose another model.")
    numbers = {name: number for number, name in enumerate(names)}
    ids: list[Ids] = []
    labels: list[npt.NDArray[np.int64]] = []
    lost_spans = cut = truncated = 0
    for chunk in _chunks(records):
        encoded = tokenizer([r.text for r in chunk], return_offsets_mapping=True, return_special_tokens_mask=True)
        rows = zip(chunk, encoded["input_ids"], encoded["offset_mapping"], encoded["special_tokens_mask"], strict=True)
        for record, row, offsets, special in rows:
            tags, unseen = token_tags(offsets, special, record.spans, numbers)
            if len(row) > max_tokens:  # the closing special token is kept
                truncated += 1
                cut += len(row) - max_tokens
                kept = np.r_[: max_tokens - 1, len(row) - 1] if special[-1] else np.r_[:max_tokens]
                gone = len(_begun(tags)) - len(_begun(tags[kept]))
                row, tags, unseen = np.array(row)[kept], tags[kept], unseen + gone
            ids.append(np.array(row, dtype=np.int32))
            labels.append(tags)
            lost_spans += unseen
    counts = TokenCounts(len(ids), len(ids), sum(map(len, ids)), sum(map(len, ids)), truncated, cut)
    return LabelledTokens(ids, labels, tuple(names), counts, lost_spans)


def token_tags(
    offsets: Sequence[tuple[int, int]],
    special: Sequence[int],
    spans: Sequence[LabelledSpan],
    numbers: Mapping[str, int],
) -> tuple[npt.NDArray[np.int64], int]:
    """IOB2 tags of tokens, and how many spans got none. A token that shares a character with a span is part of it.

    Of overlapping spans the longer wins: one tag a token cannot say two things.
    """
    tags = np.where(np.asarray(special, dtype=bool), UNTRAINED, numbers["O"]).astype(np.int64)
    unseen = 0
    for span in sorted(spans, key=lambda span: (span.start - span.end, span)):
        inside = [
            place
            for place, (start, end) in enumerate(offsets)
            if start < span.end and span.start < end and not special[place]
        ]
        if not inside or any(tags[place] != numbers["O"] for place in inside):
            unseen += 1
            continue
        tags[inside] = numbers[f"I-{span.label}"]
        tags[inside[0]] = numbers[f"B-{span.label}"]
    return tags, unseen


def _begun(tags: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.flatnonzero(tags % 2 == 1) if len(tags) else tags  # "B-…" have odd numbers, see `tag_names`


def _chunks(items: Sequence[Any]) -> list[list[Any]]:
    iterator = iter(items)
    return list(iter(lambda: list(islice(iterator, _AT_ONCE)), []))
