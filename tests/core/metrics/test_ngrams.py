from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.metrics.ngrams import Sequences, clipped_matches, gram_counts, pair_matches
from core.metrics.subsequence import longest_common_subsequence, longest_common_substring

TOKENS = st.lists(st.integers(0, 5), max_size=12)


def grams(tokens: list[int], n: int) -> Counter:
    return Counter(tuple(tokens[at : at + n]) for at in range(len(tokens) - n + 1))


@given(st.lists(st.tuples(TOKENS, st.lists(TOKENS, min_size=1, max_size=3)), min_size=1, max_size=5))
def test_matches_are_those_of_counters(groups: list[tuple[list[int], list[list[int]]]]):
    rows = [tokens for own, others in groups for tokens in (own, *others)]
    segment = np.array([at for at, (_, others) in enumerate(groups) for _ in range(len(others) + 1)])
    side = np.array([at for _, others in groups for at in range(len(others) + 1)])
    found = clipped_matches(Sequences.of_tokens(rows), segment, side, 4)
    for row, (own, others) in enumerate(groups):
        for n in range(1, 5):
            most = Counter()
            for other in others:
                most |= grams(other, n)
            assert found[row, n - 1] == (grams(own, n) & most).total()


def test_many_tokens_outgrow_a_key_and_stay_exact():
    """20,000 distinct tokens have 15 bits each: six of them do not fit in 63."""
    own = list(range(20_000))
    other = [*own[:10_000], -1, *own[10_000:]]
    found = pair_matches([(own, other), (other, other)], 6)
    assert found[0].tolist() == [20_000, *(20_000 - 2 * (n - 1) for n in range(2, 7))]
    assert found[1].tolist() == [20_001 - n + 1 for n in range(1, 7)]


@given(st.lists(TOKENS, max_size=5), st.integers(1, 3))
def test_counts_of_each_sequence(rows: list[list[int]], n: int):
    ours = [sorted(counts) for counts in gram_counts(Sequences.of_tokens(rows), n)]
    assert ours == [sorted(grams(tokens, n).values()) for tokens in rows]


@given(TOKENS, TOKENS)
def test_longest_common_subsequence_is_that_of_the_table(first: list[int], second: list[int]):
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, a in enumerate(first, start=1):
        for j, b in enumerate(second, start=1):
            table[i][j] = table[i - 1][j - 1] + 1 if a == b else max(table[i - 1][j], table[i][j - 1])
    assert longest_common_subsequence(first, second) == table[-1][-1]


@given(TOKENS, TOKENS)
def test_longest_common_substring_is_that_of_all_substrings(first: list[int], second: list[int]):
    parts = {tuple(second[i:j]) for i in range(len(second)) for j in range(i, len(second) + 1)} | {()}
    expected = max(j - i for i in range(len(first) + 1) for j in range(i, len(first) + 1) if tuple(first[i:j]) in parts)
    assert longest_common_substring(first, second) == expected


def test_characters_past_the_first_plane():
    sequences = Sequences.of_characters(["a😀a", "", "😀"])
    assert sequences.lengths.tolist() == [3, 0, 1]
    assert sequences.ids.tolist() == [0, 1, 0, 1]


def test_no_texts():
    empty = np.zeros(0, dtype=np.int64)
    assert clipped_matches(Sequences.of_tokens([]), empty, empty, 2).shape == (0, 2)
    assert pair_matches([], 2).shape == (0, 2)


def test_take_repeats_and_reorders():
    taken = Sequences.of_pieces([["a b", "c"], [], ["a b"]], str.split).take(np.array([2, 1, 0, 2]))
    assert taken.lengths.tolist() == [2, 0, 3, 2]
    assert taken.ids.tolist() == pytest.approx([0, 1, 0, 1, 2, 0, 1])
