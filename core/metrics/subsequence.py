"""Longest common subsequence and substring of token lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence


def longest_common_subsequence(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence, all columns of the table at once in the bits of one integer.

    Bit i of `row` is 0 where the table rises at token i of `first` (Hyyrö 2004, "Bit-parallel LCS-length computation
    revisited", section 4): O(len(second) * ceil(len(first) / word)).
    """
    positions: dict[Hashable, int] = {}
    bit = 1
    for token in first:
        positions[token] = positions.get(token, 0) | bit
        bit <<= 1
    full = row = bit - 1
    for token in second:
        where = positions.get(token)
        if where is not None:
            met = row & where
            row = (row + met) | (row - met)
    return len(first) - (row & full).bit_count()


def longest_common_substring(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Length of the longest run of tokens that both contain; only pairs of equal tokens are visited."""
    positions = defaultdict(list)
    for index, token in enumerate(second):
        positions[token].append(index)
    longest = 0
    runs: dict[int, int] = {}  # index in second: length of the common run that ends there
    for token in first:
        runs = {index: runs.get(index - 1, 0) + 1 for index in positions.get(token, ())}
        longest = max(longest, max(runs.values(), default=0))
    return longest
