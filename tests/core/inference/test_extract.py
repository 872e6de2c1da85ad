from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic import Field as Described

from core.inference import Completion, Sampling
from core.inference.constraint import matching_schema
from core.inference.extract import extract, locate
from core.inference.local import LocalGenerator
from core.text.spans import Span


class Party(BaseModel):
    name: str


class Invoice(BaseModel):
    number: str = Described(description="the invoice's number")
    amount: float
    urgent: bool
    parties: list[Party]


class Small(BaseModel):
    kind: Literal["fee", "退款"]
    count: int = Described(ge=0, le=99)


class Scripted:
    name = "scripted"

    def __init__(self, *completions: Completion) -> None:
        self.completions = completions
        self.asked: list[tuple[object, Sampling]] = []

    def generate(self, prompts, sampling, progress=None) -> list[Completion]:
        self.asked += [(prompt, sampling) for prompt in prompts]
        return list(self.completions)


TEXT = "Invoice RE-17 of ACME  Ltd over $1,250.00, payable by Bolt."


def test_values_are_read_and_located():
    answer = '{"number": "RE-17", "amount": 1250, "urgent": true, "parties": [{"name": "acme ltd"}, {"name": "Zed"}]}'
    generator = Scripted(Completion(answer, "stop"))
    (found,) = extract(generator, [TEXT], Invoice)
    assert found.value == Invoice.model_validate_json(answer)
    located = {field.path: field.span.of(TEXT) if field.span else None for field in found.fields}
    assert located == {
        "number": "RE-17",
        "amount": "1,250.00",
        "parties[0].name": "ACME  Ltd",
        "parties[1].name": None,
    }
    assert [field.path for field in found.unlocated] == ["parties[1].name"]
    ((prompt, sampling),) = generator.asked
    assert TEXT in prompt[0]["content"]
    assert "the invoice's number" in prompt[0]["content"]
    assert sampling.constraint == matching_schema(Invoice)


def test_the_task_is_in_the_language_of_the_text():
    generator = Scripted(Completion('{"kind": "退款", "count": 3}', "stop"))
    (found,) = extract(generator, ["客户申请退款３笔。"], Small, instruction="只看金额。")
    content = generator.asked[0][0][0]["content"]
    assert "阅读文本" in content
    assert "只看金额。" in content
    assert [(field.path, field.span) for field in found.fields] == [("kind", Span(4, 6)), ("count", Span(6, 7))]


def test_an_answer_that_is_cut_or_wrong_gives_no_object_and_says_why():
    for text, reason, problem in (('{"kind": "fe', "length", "cut at max_tokens"), ("{}", "stop", "not valid")):
        (found,) = extract(Scripted(Completion(text, reason)), ["a"], Small)
        assert (found.value, found.fields) == (None, ())
        assert problem in found.problem


@pytest.mark.parametrize(
    ("value", "text", "found"),
    [
        ("12", "in 2012, 12 men", "12"),
        ("12", "in 2012", None),
        ("art", "a part of art", "art"),
        ("退款", "申请退款。", "退款"),
        ("ＡＢＣ", "the abc", "abc"),
        ("new  york", "New York", "New York"),
        (3.5, "3.50 kg", "3.50"),
        (3, "35 or 3", "3"),
        (1250, "1,250", "1,250"),
        ("1250", "1,250", "1,250"),
        (5, "3-5 days", "5"),
        (-5, "at -5 °C", "-5"),
        (5, "at -5 °C", None),
        (-5, "3-5 days", None),
        ("", "a", None),
        ("gone", "here", None),
    ],
)
def test_where_values_stand(value: str | float, text: str, found: str | None):
    span = locate(value, text)
    assert (span.of(text) if span else None) == found


@given(before=st.text(max_size=5), value=st.text(min_size=1, max_size=8), after=st.text(max_size=5))
def test_a_copied_text_between_blanks_is_found(before: str, value: str, after: str):
    text = f"{before} {value} {after}"
    span = locate(value, text)
    if value.strip():
        assert span is not None
        assert 0 <= span.start < span.end <= len(text)


def test_a_random_model_fills_the_schema(generator: LocalGenerator):
    found = extract(generator, ["退款 12", "fee"], Small, sampling=Sampling(max_tokens=60, temperature=1.0))
    assert all(one.value is not None and 0 <= one.value.count <= 99 for one in found)
