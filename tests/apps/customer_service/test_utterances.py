import pytest

from apps.customer_service.dialogue import utterances


@pytest.mark.parametrize(
    "text", ["Hi!", "Good evening", "Thank you very much, bye", "ok great", "您好", "多谢，辛苦了", "好的，没别的了"]
)
def test_courtesies(text: str) -> None:
    assert utterances.is_courtesy(text)


@pytest.mark.parametrize("text", ["Hi, where is my card?", "no card came", "你好，我的卡丢了", "好的卡", "", "?"])
def test_what_is_more_than_a_courtesy(text: str) -> None:
    assert not utterances.is_courtesy(text)


@pytest.mark.parametrize(
    "text",
    [
        "Can I speak to somebody?",
        "put me through to an agent",
        "I need a human",
        "could someone please phone me",
        "转人工服务",
        "我要找真人",
        "叫个人来处理",
        "人工",
    ],
)
def test_wishes_for_a_person(text: str) -> None:
    assert utterances.wants_person(text)


@pytest.mark.parametrize(
    "text",
    [
        "I sent money to the wrong person",
        "Can I transfer money to a person in Spain?",
        "What is the support number?",
        "Did an agent's fee apply?",
        "人工客服几点上班",
        "怎么联系人工客服",
        "别人用了我的卡",
    ],
)
def test_questions_about_people_are_no_such_wish(text: str) -> None:
    assert not utterances.wants_person(text)


def test_options_are_chosen_by_number_ordinal_or_wording() -> None:
    options = ["Order a card", "Cancel a transfer", "Limits"]
    assert [
        utterances.chosen_option(text, options) for text in ("2", "the first one", "第三个", "cancel a transfer.")
    ] == [
        1,
        0,
        2,
        1,
    ]
    assert utterances.chosen_option("3", options[:2]) is None
    assert utterances.chosen_option("How do I order a card?", options) is None
    assert utterances.chosen_option("2", []) is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("What does it cost, and how long does it take?", ["What does it cost", "how long does it take?"]),
        ("Where is my card? Also, can I get a PIN?", ["Where is my card?", "Also, can I get a PIN?"]),
        ("The card came. What do I do now?", ["The card came. What do I do now?"]),
        ("What is this? I never bought it.", ["What is this? I never bought it."]),
        ("备用卡多少钱？另外多久能到？", ["备用卡多少钱？", "另外多久能到？"]),
        ("salt and pepper", ["salt and pepper"]),
    ],
)
def test_questions_are_taken_apart_and_statements_stay(text: str, parts: list[str]) -> None:
    assert utterances.split_questions(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        "and how long does it take?",
        "Is there a charge for that?",
        "What is the maximum?",
        "那要多少钱？",
        "这个收费吗",
        "多久能到呢",
    ],
)
def test_follow_ups_show_by_their_form(text: str) -> None:
    assert utterances.leans_on_context(text)


@pytest.mark.parametrize(
    "text", ["How do I close my account?", "转账限额是多少", "Another question: is that card free?"]
)
def test_questions_that_stand_alone(text: str) -> None:
    assert not utterances.leans_on_context(text)


def test_a_number_alone_keeps_the_language_of_the_conversation() -> None:
    assert utterances.reply_language("2", "en", "zh") == "zh"
    assert utterances.reply_language("hello", "en", "zh") == "en"
    assert utterances.reply_language("2", "en", None) == "en"
