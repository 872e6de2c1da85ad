from decimal import Decimal

import pytest

from core.metrics import Context, Groundedness, MissingContext
from core.metrics.names import find_names
from core.metrics.negation import find_denials
from core.metrics.quantities import find_quantities

ENGLISH = (
    "Refunds are paid within 30 days of the return. The fee for a second card is $1,250.00, charged by Northwind Bank. "
    "Travel insurance does not cover skiing accidents. The rate rose to 12 percent on May 17, 2024."
)
CHINESE = (
    "退款将在３０天内到账，由北方银行办理。补办第二张卡的费用为一千二百五十元。旅行保险不承保滑雪事故。"
    "2024年5月17日，利率上调至百分之十二。"
)


def part(candidate: str, evidence: str, language="en"):
    (score,) = Groundedness(language=language).score([candidate], Context(evidence=(evidence,)))
    assert len(score.parts) == 1
    assert score.parts[0].span.of(candidate) == candidate
    return score.parts[0]


@pytest.mark.parametrize("evidence", [ENGLISH, CHINESE])
def test_every_sentence_of_the_evidence_is_supported_by_it(evidence: str):
    (score,) = Groundedness().score([evidence], Context(evidence=(evidence,)))
    assert score.value == 1
    assert score.reason == ""


@pytest.mark.parametrize(
    "candidate",
    [
        "Refunds are paid within thirty days.",
        "The second card fee is 1250 dollars.",
        "The rate rose to 12% on 17 May 2024.",
        "Skiing accidents are not covered by travel insurance.",
    ],
)
def test_the_same_in_other_words(candidate: str):
    assert part(candidate, ENGLISH).value > 0


@pytest.mark.parametrize(
    "candidate",
    [
        "退款将在三十天内到账。",
        "补办第二张卡的费用为1,250元。",
        "2024年5月17日利率上调至12%。",
        "旅行保险不承保滑雪事故。",
    ],
)
def test_the_same_in_other_figures(candidate: str):
    assert part(candidate, CHINESE).value > 0


@pytest.mark.parametrize(
    ("candidate", "named"),
    [
        ("Refunds are paid within 20 days of the return.", "20 days"),
        ("Refunds are paid within 30 months of the return.", "30 months"),
        ("The fee for a second card is $1,250.00, charged by Southwind Bank.", "Southwind"),
        ("Travel insurance does cover skiing accidents.", "not cover"),
        ("Refunds are not paid within 30 days of the return.", "not paid"),
        ("Penguins enjoy swimming near icebergs.", "penguin"),
    ],
)
def test_what_the_evidence_does_not_say(candidate: str, named: str):
    found = part(candidate, ENGLISH)
    assert found.value == 0
    assert named in found.reason


@pytest.mark.parametrize(
    ("candidate", "named"),
    [
        ("退款将在20天内到账，由北方银行办理。", "20天"),
        ("退款将在30天内到账，由南海银行办理。", "南海银行"),
        ("旅行保险承保滑雪事故。", "不承保"),
        ("退款将不在30天内到账。", "不"),
        ("补办第二张卡的费用为一千二百六十元。", "一千二百六十元"),
        ("企鹅喜欢游泳。", "企鹅"),
    ],
)
def test_what_the_chinese_evidence_does_not_say(candidate: str, named: str):
    found = part(candidate, CHINESE, "zh")
    assert found.value == 0
    assert named in found.reason


def test_it_fails_closed():
    metric = Groundedness()
    evidence = Context(evidence=(ENGLISH,))
    assert [score.value for score in metric.score(["", "  ", "...", "It is."], evidence)] == [0, 0, 0, 0]
    assert metric.score(["Refunds are paid."], Context(evidence=("",)))[0].value == 0
    with pytest.raises(MissingContext):
        metric.score(["Refunds are paid."])


def test_one_bad_sentence_of_two():
    text = "Refunds are paid within 30 days of the return. Refunds are paid within 90 days of the return."
    (score,) = Groundedness().score([text], Context(evidence=(ENGLISH,)))
    assert score.value == 0.5
    assert score.reason == "not supported: 1 of 2 sentences"
    assert [part.value for part in score.parts] == [1, 0]


def test_evidence_may_come_with_the_metric():
    class Passage:
        text = ENGLISH

    class Hit:
        passage = Passage()

    metric = Groundedness([Hit()])
    assert not metric.needs
    assert metric.score(["Refunds are paid within 30 days."])[0].value == 1
    assert metric.score(["Refunds are paid within 30 days."], Context(evidence=("Nothing of the kind.",)))[0].value == 0
    with pytest.raises(TypeError):
        Groundedness([3])


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("$1,250.50", "1250.5", "usd"),
        ("１２%", "12", "percent"),
        ("百分之十二", "12", "percent"),
        ("3.5万元", "35000", "cny"),
        ("一亿二千万", "120000000", ""),
        ("二〇二四年", "2024", "year"),
        ("十五天", "15", "day"),
        ("3 million", "3000000", ""),
        ("twenty-five hours", "25", "hour"),
        ("一百零三个月", "103", "month"),
        ("两周", "2", "week"),
    ],
)
def test_quantities(text: str, value: str, unit: str):
    (quantity,) = find_quantities(text)
    assert (quantity.value, quantity.unit) == (Decimal(value), unit)
    assert quantity.span.of(text) == text


def test_a_lone_one_may_be_no_number():
    assert not any(quantity.certain for text in ("一直", "one of them") for quantity in find_quantities(text))


def test_long_digits_do_no_harm():
    assert find_quantities("9" * 100_000)
    assert find_quantities("九" * 10_000)
    assert find_quantities("亿" * 1_000) == []


def test_names():
    found = {word for name in find_names("In Paris, Ada Lovelace used the iPhone of Acme.") for word in name.words}
    assert found == {"paris", "ada", "lovelace", "iphone", "acme"}
    found = {word for name in find_names("《长河》由姆拉登·佩特里奇与光明公司在ABC出版。") for word in name.words}
    assert found == {"长河", "拉登", "佩特", "光明公司", "abc"}


def test_denials():
    assert [denial.unsaid for denial in find_denials("It is not the first.")] == ["is the"]
    assert [denial.cue for denial in find_denials("他不仅没有退款，未来也不会。")] == ["没有", "不会"]
