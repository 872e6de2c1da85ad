import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.customer_service.dialogue.spelling import edit_distance, speller

SPELLER = speller(["close my account card transfer refund identity load"], ["loan", "were", "apple", "should"])


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("how do i cloes my acount", "how do i close my account"),
        ("crad", "card"),
        ("My TRANFSER, my refnud!", "My TRANFSER, my refund!"),  # capitals may be a name or a code
        ("can I get a loan", "can I get a loan"),
        ("were", "were"),
        ("xyzzy", "xyzzy"),
        ("apples, loans, closing, transferred, shouldn't", "apples, loans, closing, transferred, shouldn't"),
        ("卡 crad 卡", "卡 card 卡"),
        ("idenitty", "identity"),
    ],
)
def test_slips_are_mended_and_words_are_left(text: str, mended: str) -> None:
    assert SPELLER.mend(text) == mended


def _slow(a: str, b: str) -> int:
    """The definition, by recursion."""
    if not a or not b:
        return len(a) + len(b)
    best = min(_slow(a[:-1], b) + 1, _slow(a, b[:-1]) + 1, _slow(a[:-1], b[:-1]) + (a[-1] != b[-1]))
    if len(a) > 1 and len(b) > 1 and a[-1] == b[-2] and a[-2] == b[-1]:
        best = min(best, _slow(a[:-2], b[:-2]) + 1)
    return best


@given(st.text(alphabet="abc", max_size=5), st.text(alphabet="abc", max_size=5))
def test_distance_is_that_of_the_definition(a: str, b: str) -> None:
    assert edit_distance(a, b) == edit_distance(b, a) == _slow(a, b)
