from __future__ import annotations

import json

import pytest

from core.errors import InputError
from core.metrics import Context
from core.metrics.fields import FieldF1
from core.metrics.metric import MissingContext

ROLES = json.dumps({"pledgor": "Calder Ridge", "pledgee": "Wexford Trust", "date": ""})
DRUGS = json.dumps({"drugs": [{"name": "A", "dose": "5 mg"}, {"name": "B", "dose": ""}]})


def f1(candidate: object, reference: str = ROLES, **options: bool) -> float:
    text = candidate if isinstance(candidate, str) else json.dumps(candidate)
    return FieldF1(**options).score([text], Context(references=(reference,)))[0].value  # type: ignore[arg-type]


def test_case_width_and_white_space_do_not_count() -> None:
    assert f1({"pledgor": "calder  ridge", "pledgee": "Ｗexford Trust"}) == 1


def test_a_value_in_another_role_is_wrong_and_its_role_missed() -> None:
    assert f1({"pledgor": "Wexford Trust", "pledgee": "Calder Ridge"}) == 0
    assert f1({"pledgor": "Calder Ridge", "pledgee": "Calder Ridge"}) == pytest.approx(0.5)


def test_made_up_and_missing_values_cost() -> None:
    assert f1({"pledgor": "Calder Ridge", "pledgee": "Wexford Trust", "date": "May 6, 2024"}) == pytest.approx(0.8)
    assert f1({"pledgor": "Calder Ridge"}) == pytest.approx(2 / 3)


@pytest.mark.parametrize("text", ["", "pledgor: Calder Ridge", "[]", '"Calder Ridge"', ROLES[:-1], "[" * 100_000])
def test_what_is_no_object_has_nothing(text: str) -> None:
    assert f1(text) == 0


def test_nothing_to_state_and_nothing_stated_is_right() -> None:
    nothing = json.dumps({"allergies": []})
    assert f1({"allergies": []}, nothing) == 1
    assert f1({"allergies": [{"name": "latex"}]}, nothing) == 0


def test_values_of_entries_belong_to_their_entry() -> None:
    assert f1({"drugs": [{"name": "B", "dose": ""}, {"name": "A", "dose": "5mg"}]}, DRUGS) == 1
    assert f1({"drugs": [{"name": "A", "dose": ""}, {"name": "B", "dose": "5 mg"}]}, DRUGS) == pytest.approx(2 / 3)


def test_entries_alone() -> None:
    swapped = {"drugs": [{"name": "A", "dose": ""}, {"name": "B", "dose": "5 mg"}]}
    assert f1(swapped, DRUGS, entries_only=True) == 1
    assert f1({"drugs": [{"name": "A", "dose": "5 mg"}]}, DRUGS, entries_only=True) == pytest.approx(2 / 3)


def test_an_entry_without_its_name_states_nothing() -> None:
    assert f1({"drugs": [{"name": "", "dose": "5 mg"}]}, DRUGS) == 0


def test_the_reference_that_fits_best_counts() -> None:
    both = Context(references=(ROLES, json.dumps({"pledgor": "Calder"})))
    assert FieldF1().score([json.dumps({"pledgor": "Calder"})], both)[0].value == 1


def test_what_cannot_be_measured_is_an_error() -> None:
    with pytest.raises(MissingContext):
        FieldF1().score(["{}"], Context())
    with pytest.raises(InputError, match="no JSON object"):
        FieldF1().score(["{}"], Context(references=("none",)))
