"""The own set holds, with the spaCy model and without it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from apps.finance_risk.evaluation.own_set import cases, run_case


def test_the_set_is_large_bilingual_and_named_without_doubles():
    names = [case["name"] for case in cases()]
    assert len(names) >= 60 and len(set(names)) == len(names)
    assert sum(case["language"] == "zh" for case in cases()) >= 20


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_case(case: dict[str, object], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("apps.finance_risk.evaluation.own_set._SCORE_TOLERANCE", Decimal("0.0005"))
    monkeypatch.setattr("apps.finance_risk.events.sentences.is_available", lambda name: False)
    assert run_case(case).failures == ()


@pytest.mark.model("en_core_web_sm")
def test_events_are_the_same_with_the_model():
    failures = [run_case(case).failures for case in cases() if "events" in case["expect"]]
    assert not any(failures)


def test_a_wrong_expectation_fails():
    case = dict(cases()[0])
    case["expect"] = {"facts": {"retained_earnings@2024-12-31": 1250000}}
    result = run_case(case)
    assert result.shows_wrong_figure and not result.passed
