"""What is said of a mention, in both languages: scope, direction, terminators, who and when."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InternalError, UnknownName
from core.extraction import AssertionRules
from core.extraction.assertion import parse_rules
from core.text import Span


def statuses(language: str, marked: str) -> list[str]:
    """Statuses of the mentions written in [brackets]."""
    spans, text = [], ""
    for piece in re.split(r"(\[.*?\])", marked):
        if piece.startswith("["):
            spans.append(Span(len(text), len(text) + len(piece) - 2))
            piece = piece[1:-1]
        text += piece
    return [assertion.status for assertion in AssertionRules.load(language).assess(text, spans)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No [fever], [cough] or [rash].", "absent absent absent"),
        ("No [fever] but [cough].", "absent present"),
        ("[Fever] without [cough].", "present absent"),
        ("[Pneumonia] was ruled out.", "absent"),
        ("[Pneumonia] was not ruled out.", "uncertain"),
        ("Rule out [pneumonia].", "uncertain"),
        ("No [fever], possible [rash].", "absent uncertain"),
        ("Negative for [fever], positive for [rash].", "absent present"),
        ("No increase in [edema].", "present"),
        ("He does not deny [pain].", "present"),
        ("[Absence seizures] since age four.", "present"),
        ("Mother denies [fever] in the child.", "absent"),
        ("His mother has [migraine], but the patient has [ataxia].", "family present"),
        ("Her father reports [falls].", "present"),
        ("[Cataract] in his older brother.", "family"),
        ("No family history of [epilepsy].", "family"),
        ("Return if [fever] develops.", "hypothetical"),
        ("History of [stroke].", "historical"),
        ("[Tremor] (-), [clonus] (+).", "absent present"),
        ("No [fever]. [Cough] today.", "absent present"),
    ],
)
def test_english(text: str, expected: str):
    assert statuses("en", text) == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("否认[发热]、[咳嗽]及[皮疹]。", "absent absent absent"),
        ("无[发热]，[咳嗽]3天。", "absent present"),
        ("无[发热]，[咳嗽]，[皮疹]等不适。", "absent absent absent"),
        ("否认[抽搐]，有[腹痛]。", "absent present"),
        ("[脑膜刺激征]阴性，[巴氏征]（+）。", "absent present"),
        ("不能排除[脑积水]。", "uncertain"),
        ("[脑积水]待排。", "uncertain"),
        ("[肺炎]已排除。", "absent"),
        ("并非没有[癫痫]。", "present"),
        ("无明显诱因出现[抽搐]。", "present"),
        ("[乏力]未见好转。", "present"),
        ("父亲有[癫痫]，患儿有[肌张力低下]。", "family present"),
        ("母亲诉患儿[呕吐]。", "present"),
        ("家族中无[癫痫]史。", "family"),
        ("既往有[高血压]病史。", "historical"),
        ("如出现[发热]及时就诊。", "hypothetical"),
        ("无锡人，[发热]2天。", "present"),
    ],
)
def test_chinese(text: str, expected: str):
    assert statuses("zh", text) == expected.split()


def test_the_rule_that_fired_is_named_with_its_cue():
    (assertion,) = AssertionRules.load("en").assess("She denies fever.", [Span(11, 16)])
    (fired,) = assertion.fired
    assert (fired.rule, fired.cue, fired.span, fired.says) == ("denies", "denies", Span(4, 10), "absent")


def test_axes_are_kept_apart():
    (assertion,) = AssertionRules.load("en").assess("His mother has no migraine.", [Span(18, 26)])
    assert (assertion.polarity, assertion.experiencer, assertion.status) == ("absent", "family", "family")


@given(st.text(alphabet="no fever,.;无发热，。母亲可能（-）\n ", max_size=60), st.data())
def test_any_text_and_any_mention_get_an_answer(text: str, data):
    start, end = sorted((data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))))
    for language in ("zh", "en"):
        (assertion,) = AssertionRules.load(language).assess(text, [Span(start, end)])
        for fired in assertion.fired:
            assert fired.span.of(text) == fired.cue


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_phrase_of_a_pack_is_read_two_ways_in_one_direction(language: str):
    seen: dict[tuple[str, str], str] = {}
    for rule in AssertionRules.load(language).rules.values():
        for phrase in rule.phrases:
            if rule.says in ("absent", "uncertain", "present"):
                other = seen.setdefault((phrase.lower(), rule.reach), rule.says)
                assert other == rule.says, f"'{phrase}' says both {other} and {rule.says}"


def test_an_unknown_language_is_an_error():
    with pytest.raises(UnknownName):
        AssertionRules.load("de")


@pytest.mark.parametrize(
    "rule",
    [
        {"id": "x", "says": "perhaps", "phrases": ["a"]},
        {"id": "x", "says": "absent", "reach": "sideways", "phrases": ["a"]},
        {"id": "x", "says": "absent", "phrases": []},
        {"id": "x", "says": "absent", "phrases": ["{nobody} says"]},
        {"id": "x", "says": "absent", "phrases": [False]},
        {"id": "x", "says": "absent", "phrases": ["a"], "colour": "red"},
    ],
)
def test_a_malformed_pack_is_refused(rule: dict):
    with pytest.raises(InternalError):
        parse_rules({"rules": [rule]})


def test_two_rules_of_one_name_are_refused():
    rules = parse_rules({"rules": [{"id": "x", "says": "absent", "reach": "forward", "phrases": ["no"]}] * 2})
    with pytest.raises(InternalError, match="same id"):
        AssertionRules(rules)
