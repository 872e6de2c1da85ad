"""MinHash against exact Jaccard over all pairs."""

from __future__ import annotations

import random
import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.training.data.near_duplicates import (
    PERMUTATIONS,
    NearPair,
    band_rows,
    jaccard,
    near_duplicates,
    shingles,
    signatures,
)

WORDS = ("card", "fee", "bank", "cash", "rate", "loan", "code", "limit", "app", "bill", "month", "charge", "refund")
SIGNS = "卡片费用是多少新的信用额度银行利率还款账单手机号码查询"


def plain_shingles(text: str, size: int) -> set[str]:
    flat = re.sub(r"[\W_]+", " ", text.casefold()).strip()
    return {flat[i : i + size] for i in range(len(flat) - size + 1)} or {flat}


def corpus(count: int, seed: int) -> list[str]:
    """Sentences and, for some, copies with a few changes, in both languages."""
    draw = random.Random(seed)
    texts: list[str] = []
    for number in range(count):
        if number % 2:
            words = draw.choices(WORDS, k=12)
            if number % 3 == 0 and texts:
                words = next(t for t in reversed(texts) if t[0].isascii()).split()
                words[draw.randrange(len(words))] = draw.choice(WORDS)
            texts.append(" ".join(words))
        else:
            signs = draw.choices(SIGNS, k=24)
            if number % 3 == 0 and texts:
                signs = list(next(t for t in reversed(texts) if not t[0].isascii()))
                signs[draw.randrange(len(signs))] = draw.choice(SIGNS)
            texts.append("".join(signs))
    return texts


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8, 0.9, 1.0])
def test_pairs_are_those_of_exact_jaccard(similarity: float) -> None:
    texts = corpus(400, seed=1)
    sets = [plain_shingles(text, 5 if text[0].isascii() else 3) for text in texts]
    exact = {
        (one, other): len(sets[one] & sets[other]) / len(sets[one] | sets[other])
        for one, other in combinations(range(len(texts)), 2)
    }
    expected = {pair for pair, value in exact.items() if value >= similarity}
    found = near_duplicates(texts, similarity)
    assert all(pair.similarity == pytest.approx(exact[pair.first, pair.second]) for pair in found)
    pairs = {(pair.first, pair.second) for pair in found}
    assert pairs <= expected
    assert len(expected - pairs) <= 0.01 * len(expected)
    assert expected or similarity == 1.0


def test_signatures_estimate_jaccard_without_bias() -> None:
    texts = corpus(300, seed=2)
    sets = [shingles(text) for text in texts]
    marks = signatures(sets)
    assert marks.shape == (300, PERMUTATIONS)
    pairs = [(i, j) for i, j in combinations(range(300), 2) if jaccard(sets[i], sets[j]) > 0.05]
    errors = np.array([(marks[i] == marks[j]).mean() - jaccard(sets[i], sets[j]) for i, j in pairs])
    assert abs(errors.mean()) < 0.02
    assert np.sqrt((errors**2).mean()) < 0.05  # the standard error at one half is .044


@given(st.text(max_size=60))
def test_case_width_and_punctuation_do_not_count(text: str) -> None:
    assert jaccard(shingles(text), shingles(text)) == 1
    assert jaccard(shingles("Wo ist, die Karte?"), shingles("ＷＯ IST die karte")) == 1


@given(st.floats(0.3, 1))
def test_a_pair_at_the_threshold_is_rarely_missed(similarity: float) -> None:
    rows = band_rows(similarity)
    assert rows == 1 or (1 - similarity**rows) ** (PERMUTATIONS // rows) <= 1e-3


def test_a_mould_of_thousands_does_not_take_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.data.near_duplicates._LARGE_BUCKET", 50)
    texts = [f"The very same long sentence about the fees of a card, number {n % 10}" for n in range(200)]
    found = near_duplicates(texts, 0.8)
    assert 0 < len(found) < 200 * 199 / 2
    assert {pair.second for pair in found} == set(range(1, 200))  # each is like one of the first


def test_few_and_empty_texts() -> None:
    assert near_duplicates([], 0.8) == near_duplicates(["a"], 0.8) == []
    assert near_duplicates(["a", "b", "a"], 0.8) == [NearPair(0, 2, 1.0)]
