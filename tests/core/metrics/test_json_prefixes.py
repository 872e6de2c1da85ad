from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.metrics import Context
from core.metrics.fields import FieldF1
from core.metrics.json_prefixes import closed_prefixes

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


def scalars(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [one for inner in value.values() for one in scalars(inner)]
    return [one for inner in value for one in scalars(inner)] if isinstance(value, list) else [value]


@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_each_prefix_holds_the_values_up_to_its_end(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    wanted = scalars(value)
    found = list(closed_prefixes(text))
    assert [scalars(json.loads(prefix)) for _, prefix in found] == [wanted[: n + 1] for n in range(len(wanted))]
    assert all(text.startswith(prefix[:end]) for end, prefix in found)


def test_a_prefix_is_closed_where_its_value_ends() -> None:
    text = '{"a": "x\\"}", "b": [{"c": 1}, {"d": ""}]}'
    assert list(closed_prefixes(text)) == [
        (12, '{"a": "x\\"}"}'),
        (27, '{"a": "x\\"}", "b": [{"c": 1}]}'),
        (38, '{"a": "x\\"}", "b": [{"c": 1}, {"d": ""}]}'),
    ]


@pytest.mark.parametrize("text", ["", "{", '{"a": "x"', '{"a": 1} {"b": 2}', "[" * 100_000])
def test_what_is_no_json_has_no_prefixes(text: str) -> None:
    assert not list(closed_prefixes(text))


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["", "x", "y"]), min_size=1))
def test_the_last_milestone_of_fields_is_their_score(stated: dict[str, str]) -> None:
    metric, context = FieldF1(), Context(references=('{"a": "x", "b": "y", "c": ""}',))
    text = json.dumps(stated)
    milestones = metric.milestones(text, context)
    assert len(milestones) == len(stated)
    assert milestones[-1].value == metric.score([text], context)[0].value
    assert not metric.milestones(text[:-1], context)
