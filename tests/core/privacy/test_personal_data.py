import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.privacy import find_personal_data, mask, personal_data, without_masks
from core.privacy.personal_data import PersonalData, chinese_id_valid, luhn_valid


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to jo.doe+bank@mail.example.org please.", "Write to [EMAIL] please."),
        ("My IBAN is DE89 3704 0044 0532 0130 00, why?", "My IBAN is [IBAN], why?"),
        ("gb29nwbk60161331926819", "[IBAN]"),
        ("card 4111 1111 1111 1111 declined", "card [CARD_NUMBER] declined"),
        ("card 4111-1111-1111-1112 declined", "card [NUMBER] declined"),  # mistyped: still masked
        ("call +44 20 7946 0958 today", "call [PHONE] today"),
        ("我的手机号是13812345678，换号了", "我的手机号是[PHONE]，换号了"),
        ("身份证11010519491231002X可以吗", "身份证[IDENTITY_NUMBER]可以吗"),
        ("my PIN is 4821 and it fails", "my PIN is [SECRET] and it fails"),
        ("密码是abc123，登不上", "密码是[SECRET]，登不上"),
        ("The one-time code: 993120", "The one-time code: [SECRET]"),
        ("Hello, my name is Ada Lovelace and I lost my card", "Hello, my name is [NAME] and I lost my card"),
        ("我叫王小明，卡丢了", "我叫[NAME]，卡丢了"),
    ],
)
def test_masks_what_identifies_a_person(text: str, expected: str) -> None:
    assert mask(text).text == expected


@pytest.mark.parametrize(
    "text",
    [
        "I topped up EUR 2,500.00 on 12 March 2025 at 08:00",
        "My PIN is blocked after 3 tries",
        "密码输错三次被锁了",
        "我叫了一辆车，刷卡付的",
        "Fee 1.5 % of 20,000",
        "card ending in 4821",
        "The passcode is wrong",
    ],
)
def test_leaves_ordinary_text_alone(text: str) -> None:
    assert mask(text).text == text


def test_finds_lie_on_the_original_text() -> None:
    text = "a@b.example and 4111111111111111"
    assert [(item.kind, item.span.of(text)) for item in find_personal_data(text)] == [
        ("email", "a@b.example"),
        ("card_number", "4111111111111111"),
    ]


def _with_luhn_digit(body: str) -> str:
    return next(body + digit for digit in "0123456789" if luhn_valid(body + digit))


@given(st.text(alphabet="123456789", min_size=12, max_size=18), st.sampled_from(["", " ", "-"]))
def test_every_valid_card_number_is_masked_however_grouped(body: str, separator: str) -> None:
    number = _with_luhn_digit(body)
    written = separator.join(number[i : i + 4] for i in range(0, len(number), 4))
    assert not any(c.isdigit() for c in mask(f"card {written} please").text)


@given(st.text(max_size=200))
def test_masking_twice_changes_nothing(text: str) -> None:
    once = mask(text).text
    assert mask(once).text == once


def test_check_digits() -> None:
    assert luhn_valid("4111111111111111") and not luhn_valid("4111111111111112")
    assert chinese_id_valid("11010519491231002X") and not chinese_id_valid("110105194912310021")


def test_hostile_length_is_handled_quickly() -> None:
    mask("1 " * 20_000)
    mask("a@" * 20_000)
    mask("DE89 " * 10_000)
    mask("pin is " * 10_000)


def test_marks_are_dropped_for_searching_and_nothing_else() -> None:
    masked = mask("My card 4111 1111 1111 1111 [see below] is broken").text
    assert without_masks(masked) == "My card [see below] is broken"


_PIECES = (
    "a.b@c.de ",
    "4111 1111 1111 1111",
    "pin 4821 ",
    "DE89 3704 0044 0532 0130 00",
    "+44 20 7946 0958",
    "11010519",
)


@given(st.lists(st.sampled_from(_PIECES), max_size=12))
def test_where_detectors_meet_the_earlier_wins(pieces: list[str]) -> None:
    text = "".join(pieces)
    expected: list[PersonalData] = []
    for detector in personal_data._DETECTORS:
        for item in detector(text):
            if not any(item.span.overlaps(other.span) for other in expected):
                expected.append(item)
    assert find_personal_data(text) == sorted(expected, key=lambda item: item.span)
