"""BM25 against a reference written from the formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.retrieval.lexical import K1, B, LexicalIndex
from core.text.tokens import lexical_tokens

_WORDS = st.sampled_from(["card", "fee", "lost", "pin", "transfer", "卡", "退款", "补办费用", "Visa"])
_TEXTS = st.lists(st.lists(_WORDS, max_size=8).map(" ".join), min_size=1, max_size=8)


def slow_share(texts: list[str], query: str) -> list[float]:
    """Lucene's BM25 (without the constant factor k1 + 1), term by term, over the sum of the idf of all query terms."""
    bags = [lexical_tokens(text) for text in texts]
    # A text without tokens counts with length one, as the engine stores it.
    lengths = [max(1, len(bag)) for bag in bags]
    mean = sum(lengths) / len(lengths)
    terms = set(lexical_tokens(query))

    def idf(term: str) -> float:
        holding = sum(1 for bag in bags if term in bag)
        return math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))

    most = sum(idf(term) for term in terms)
    shares = []
    for bag, length in zip(bags, lengths, strict=True):
        score = 0.0
        for term in terms:
            count = bag.count(term)
            score += idf(term) * count / (count + K1 * (1 - B + B * length / mean)) if count else 0.0
        shares.append(score / most if terms else 0.0)
    return shares


@settings(max_examples=150, deadline=None)
@given(_TEXTS, st.lists(_WORDS | st.just("unheard"), max_size=5).map(" ".join))
def test_scores_equal_the_slow_reference(texts: list[str], query: str):
    assert LexicalIndex(texts).scores(query) == pytest.approx(slow_share(texts, query), abs=1e-6)


def test_a_share_is_below_one_and_words_never_seen_lower_it():
    index = LexicalIndex(["lost card", "card fee", "transfer"])
    full, diluted = index.scores("lost card")[0], index.scores("lost card zebra")[0]
    assert 0 < diluted < full < 1


def test_chinese_is_found_without_word_segmentation():
    scores = LexicalIndex(["补办银行卡需要六欧元", "退款十天到账", "card fee"]).scores("退款什么时候到账")
    assert scores.argmax() == 1 and scores[2] == 0


def test_saved_and_loaded_index_scores_the_same_and_is_not_pickled(tmp_path):
    index = LexicalIndex(["lost card", "card fee 退款", ""])
    index.save(tmp_path)
    assert np.array_equal(LexicalIndex.load(tmp_path, 3).scores("card 退款"), index.scores("card 退款"))
    assert {path.suffix for path in tmp_path.iterdir()} <= {".npy", ".json"}


@pytest.mark.parametrize("query", ["", "?!", "unheard"])
def test_queries_without_known_tokens_score_nothing(query: str):
    assert LexicalIndex(["card"]).scores(query).tolist() == [0.0]
    assert LexicalIndex([]).scores(query).shape == (0,)


def test_an_index_of_texts_without_tokens_can_be_asked():
    assert LexicalIndex(["?!", "..."]).scores("card").tolist() == [0.0, 0.0]
