"""Counting n-grams of many texts at once: integers packed into one key, one sort an order, runs counted.

Exact for any vocabulary and any order: where a packed n-gram would outgrow its 64-bit key, the n-grams so far are
numbered anew. Nothing is hashed to a value that could collide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]

_KEY_BITS = 63
_PAIRS_AT_ONCE = 256
"""Few enough that the keys of one order stay in the processor's cache while they are sorted."""


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """Integer sequences laid end to end. `ids` are small and not negative; `lengths` has one entry a sequence."""

    ids: Integers
    lengths: Integers

    @classmethod
    def of_tokens(cls, texts: Sequence[Sequence[Hashable]]) -> Sequences:
        """Numbers tokens by their first appearance."""
        import numpy as np

        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        number: defaultdict[Hashable, int] = defaultdict(count().__next__)
        tokens = chain.from_iterable(texts)
        return cls(np.fromiter(map(number.__getitem__, tokens), dtype=np.int64, count=int(lengths.sum())), lengths)

    @classmethod
    def of_pieces(cls, texts: Sequence[Sequence[str]], cut: Callable[[str], Sequence[str]]) -> Sequences:
        """Numbers the tokens that `cut` makes of each chunk of each text; a chunk that comes again is not cut again."""
        import numpy as np

        number: defaultdict[str, int] = defaultdict(count().__next__)
        chunks = np.fromiter(map(number.__getitem__, chain.from_iterable(texts)), dtype=np.int64)
        pieces = cls.of_tokens([cut(chunk) for chunk in number]).take(chunks)
        ends = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)))
        return cls(pieces.ids, np.diff(np.append(0, np.cumsum(pieces.lengths))[ends], prepend=0))

    @classmethod
    def of_characters(cls, texts: Sequence[str]) -> Sequences:
        """Numbers the characters that occur, by code point."""
        import numpy as np

        joined = "".join(texts).encode("utf-32-le", "surrogatepass")
        points = np.frombuffer(joined, dtype=np.uint32)
        occurs = np.zeros(int(points.max(initial=0)) + 1, dtype=bool)
        occurs[points] = True
        number = np.cumsum(occurs, dtype=np.int64) - 1
        return cls(number[points], np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)))

    def take(self, rows: Integers) -> Sequences:
        """The sequences of these numbers, in this order, repeated where asked for."""
        import numpy as np

        lengths = self.lengths[rows]
        starts = (np.cumsum(self.lengths) - self.lengths)[rows]
        offsets = np.cumsum(lengths) - lengths
        return Sequences(self.ids[np.repeat(starts - offsets, lengths) + np.arange(lengths.sum())], lengths)


def clipped_matches(sequences: Sequences, segment: Integers, side: Integers, orders: int) -> Integers:
    """How many n-grams of each segment's candidate are found in its references.

    Each n-gram counts at most as often as in the reference that has it most often (Papineni et al. 2002, section 2.1).

    Args:
        sequences: candidates and references.
        segment: of each sequence, counted from 0.
        side: of each sequence: 0 for the candidate, 1, 2, … for its references.
        orders: n-grams of 1 to so many tokens.

    Returns:
        `(segments, orders)`.
    """
    import numpy as np

    segments = int(segment.max(initial=-1)) + 1
    side_bits = int(side.max(initial=0)).bit_length()
    others = int(side.max(initial=0))
    matches = np.zeros((segments, orders), dtype=np.int64)
    for order, (key, shift) in enumerate(_keys(sequences, segment, side, orders)):
        key.sort()
        starts = _run_starts(key)
        counts = np.append(np.diff(starts, append=len(key)), [0] * others)
        runs = key[starts]
        grams = np.append(runs >> side_bits, [-1] * others)
        # The runs of one n-gram lie side by side, the candidate's first.
        shared = np.flatnonzero((runs & ((1 << side_bits) - 1) == 0) & (grams[: len(runs)] == grams[1 : len(runs) + 1]))
        most = counts[shared + 1]
        for step in range(2, others + 1):
            most = np.maximum(most, counts[shared + step] * (grams[shared + step] == grams[shared]))
        matches[:, order] = np.bincount(runs[shared] >> shift, np.minimum(counts[shared], most), minlength=segments)
    return matches


def pair_matches(pairs: Sequence[tuple[Sequence[Hashable], Sequence[Hashable]]], orders: int) -> Integers:
    """`clipped_matches` of token lists against one reference each: `(pairs, orders)`."""
    import numpy as np

    parts = [np.zeros((0, orders), dtype=np.int64)]
    for at in range(0, len(pairs), _PAIRS_AT_ONCE):
        some = pairs[at : at + _PAIRS_AT_ONCE]
        row = np.arange(2 * len(some), dtype=np.int64)
        sequences = Sequences.of_tokens(list(chain.from_iterable(some)))
        parts.append(clipped_matches(sequences, row >> 1, row & 1, orders))
    return np.concatenate(parts)


def gram_counts(sequences: Sequences, order: int) -> Iterator[list[int]]:
    """How often each distinct n-gram occurs, sequence by sequence."""
    import numpy as np

    segment = np.arange(len(sequences.lengths), dtype=np.int64)
    *_, (key, shift) = _keys(sequences, segment, np.zeros_like(segment), order)
    key.sort()
    starts = _run_starts(key)
    counts = np.diff(starts, append=len(key))
    begin = 0
    for end in np.searchsorted(key[starts] >> shift, segment, side="right").tolist():
        yield counts[begin:end].tolist()
        begin = end


def totals(lengths: Integers, orders: int) -> Integers:
    """How many n-grams of each order sequences of these lengths have: `(sequences, orders)`."""
    import numpy as np

    found: Integers = np.maximum(lengths[:, None] - np.arange(orders, dtype=np.int64), 0)
    return found


def _keys(sequences: Sequences, segment: Integers, side: Integers, orders: int) -> Iterator[tuple[Integers, int]]:
    """For each order a key for every n-gram, its bits being `segment | n-gram | side`, and where the segment starts."""
    import numpy as np

    ids, lengths = sequences.ids, sequences.lengths
    side_bits = int(side.max(initial=0)).bit_length()
    token_bits = int(ids.max(initial=0)).bit_length()
    shift = _KEY_BITS - int(segment.max(initial=0)).bit_length()
    frame = np.repeat((segment << shift) | side, lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(ids))  # tokens from here to the end of the sequence
    token = ids << side_bits
    gram, width = token, token_bits
    for order in range(1, orders + 1):
        if order > 1:
            gram = gram[: max(len(ids) - order + 1, 0)]
            if width + token_bits > shift - side_bits:
                gram = np.unique(gram, return_inverse=True)[1] << side_bits
                width = (int(gram.max(initial=0)) >> side_bits).bit_length()
            gram = (gram << token_bits) | token[order - 1 :]
            width += token_bits
        key: Integers = frame[: len(gram)] | gram
        yield (key[left[: len(gram)] >= order] if order > 1 else key), shift


def _run_starts(ordered: Integers) -> Integers:
    """Indices where a value differs from the one before it."""
    import numpy as np

    if not len(ordered):
        return np.zeros(0, dtype=np.int64)
    starts: Integers = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1))
    return starts
