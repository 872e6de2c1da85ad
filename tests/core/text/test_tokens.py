"""Lexical tokens and the token estimate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text.tokens import approximate_tokens, lexical_tokens


def test_english_words_lose_case_plural_and_possessive():
    assert lexical_tokens("The Bank's cards, and our policies' fees") == [
        *("the", "bank", "card", "and", "our", "policy", "fee"),
    ]


@pytest.mark.parametrize(
    ("word", "stem"),
    [("queries", "query"), ("fees", "fee"), ("status", "status"), ("address", "address"), ("is", "is"), ("gas", "gas")],
)
def test_plural_endings_follow_the_table(word: str, stem: str):
    assert lexical_tokens(word) == [stem]


def test_chinese_gives_characters_and_neighbouring_pairs():
    assert lexical_tokens("补办卡") == ["补", "办", "卡", "补办", "办卡"]


def test_pairs_do_not_reach_across_punctuation_or_latin():
    assert "卡退" not in lexical_tokens("卡，退 卡Visa退")


def test_mixed_text_full_width_forms_and_numbers():
    assert lexical_tokens("用 ＡＰＰ 付 1,000.50 欧元") == ["用", "app", "付", "1000.50", "欧", "元", "欧元"]


def test_a_lone_possessive_gives_no_empty_token():
    assert lexical_tokens("'s s’") == ["s", "s"]


@given(st.text(max_size=60))
def test_tokens_are_never_empty_and_hold_no_white_space(text: str):
    assert all(token and not any(c.isspace() for c in token) for token in lexical_tokens(text))


@given(st.text(alphabet="ab ,。卡片12", max_size=40), st.text(alphabet="ab ,。卡片12", max_size=40))
def test_the_estimate_of_a_whole_is_at_most_that_of_its_parts(left: str, right: str):
    assert approximate_tokens(f"{left} {right}") <= approximate_tokens(left) + approximate_tokens(right)


@pytest.mark.model("multilingual-e5-small")
@pytest.mark.parametrize(
    "text",
    [
        "Standard post takes 5-7 working days in the EEA, up to 10 to the UK and Switzerland. " * 3,
        "平邮寄往欧洲经济区需要五到七个工作日，寄往英国和瑞士最多需要十个工作日。" * 3,
    ],
)
def test_the_estimate_is_near_the_default_embedders_tokenizer(text: str):
    from core.models import load_embedder

    actual = len(load_embedder("multilingual-e5-small").tokenizer(text)["input_ids"]) - 2
    assert 0.75 * actual <= approximate_tokens(text) <= 1.4 * actual
