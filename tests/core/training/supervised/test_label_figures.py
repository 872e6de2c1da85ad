from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from core.errors import UnknownName
from core.training.data.records import LabelledSpan
from core.training.supervised.label_figures import METRICS, check_metrics, judge
from core.training.supervised.label_scores import fitted_temperature_of_sets, fitted_threshold, sigmoid


def single(labels: Iterable[Any]) -> list[tuple[str]]:
    return [(str(label),) for label in labels]


def test_single_classes_by_hand_and_as_scikit_learn_has_them() -> None:
    truth, found = [0, 0, 0, 1, 1, 3], [0, 0, 1, 1, 0, 1]
    marks = judge(single(truth), single(found))
    assert marks.value("macro_f1") == pytest.approx((2 * 2 / 6 + 2 * 1 / 5 + 0) / 3)
    accuracy = marks.measure("accuracy")
    assert accuracy.value == 0.5 and accuracy.low < 0.5 < accuracy.high
    draw = np.random.default_rng(0)
    one, other = draw.integers(7, size=60), draw.integers(7, size=60)
    expected = f1_score(one, other, average="macro")
    assert judge(single(one), single(other)).value("macro_f1") == pytest.approx(expected)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_sets_of_classes_are_as_scikit_learn_has_them(seed: int) -> None:
    draw = np.random.default_rng(seed)
    truth, found = draw.integers(2, size=(2, 12, 4))
    truth[0] = 1  # every class is there somewhere
    sets = [[[str(place) for place in np.flatnonzero(row)] for row in rows] for rows in (truth, found)]
    marks = judge(sets[0], sets[1])
    for average in ("micro", "macro"):
        assert marks.value(f"{average}_f1") == pytest.approx(f1_score(truth, found, average=average, zero_division=0))
    assert marks.value("exact") == (truth == found).all(axis=1).mean()


def test_a_span_counts_if_both_ends_and_the_label_are_right() -> None:
    truth = [[LabelledSpan(0, 2, "A"), LabelledSpan(3, 5, "B")], [LabelledSpan(1, 2, "A")]]
    found = [[LabelledSpan(0, 2, "A"), LabelledSpan(3, 5, "A"), LabelledSpan(3, 4, "B")], [LabelledSpan(1, 2, "A")]]
    marks = judge(truth, found)
    assert marks.value("entity_f1") == pytest.approx(2 * 2 / (4 + 2 + 1))
    assert marks.value("entity_precision") == 0.5
    assert marks.value("entity_recall") == pytest.approx(2 / 3)


def test_differences_are_paired_and_groups_are_drawn_whole() -> None:
    draw = np.random.default_rng(1)
    truth = draw.integers(3, size=300)
    one = np.where(draw.random(300) < 0.3, 0, truth)
    better = np.where(np.arange(300) % 10 == 0, truth, one)
    a, b = judge(single(truth), single(better)), judge(single(truth), single(one))
    gain = a.over(b, "macro_f1")
    assert gain.value == pytest.approx(a.value("macro_f1") - b.value("macro_f1"))
    assert 0 <= gain.low <= gain.value <= gain.high
    assert gain.high - gain.low < a.measure("macro_f1").high - a.measure("macro_f1").low
    assert a.over(a, "accuracy").low == a.over(a, "accuracy").high == 0
    grouped = [f"g{number // 10}" for number in range(300)]
    right = np.repeat(draw.random(30) < 0.7, 10)  # what goes together is right or wrong together
    wide, narrow = (judge(single(truth), single(np.where(right, truth, 9)), groups) for groups in (grouped, None))
    sizes = [one.high - one.low for one in (wide.measure("accuracy"), narrow.measure("accuracy"))]
    assert sizes[0] > 2 * sizes[1]


def test_the_interval_of_a_macro_f1_over_many_small_classes_lies_around_it() -> None:
    truth = np.arange(160) // 2
    found = np.where(np.random.default_rng(0).random(160) < 0.4, (truth + 1) % 80, truth)
    one = judge(single(truth), single(found)).measure("macro_f1")
    assert one.low < one.value - 0.03 and one.value + 0.03 < one.high


def test_what_is_not_measured_is_refused() -> None:
    check_metrics("labels", METRICS["labels"])
    with pytest.raises(UnknownName, match="accuracy"):
        check_metrics("text", ["acuracy"])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_the_threshold_is_the_best_of_all(seed: int) -> None:
    draw = np.random.default_rng(seed)
    truth = draw.integers(2, size=(10, 3))
    sure = np.round(np.clip(0.3 * truth + draw.random((10, 3)) * 0.7, 0, 1), 1)  # with ties
    found = fitted_threshold(sure, truth)

    def f1(threshold: float) -> float:
        return float(f1_score(truth.ravel(), (sure >= threshold).ravel(), zero_division=0))

    assert f1(found) == pytest.approx(max(map(f1, np.unique(sure))))


def test_the_temperature_of_sets_is_the_likeliest() -> None:
    draw = np.random.default_rng(0)
    honest = draw.normal(size=(4000, 3)) * 2
    truth = (draw.random((4000, 3)) < sigmoid(honest)).astype(int)
    assert fitted_temperature_of_sets(honest * 3, truth) == pytest.approx(3, rel=0.06)
    assert sigmoid(np.array([[-1e4, 0.0, 1e4]])).tolist() == [[0.0, 0.5, 1.0]]
