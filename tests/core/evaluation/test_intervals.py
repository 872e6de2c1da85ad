import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.evaluation import bootstrap, f1_measure, proportion, spread
from core.evaluation.intervals import grouped_mean


def test_wilson_against_the_textbook_value():
    # Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662 by Wilson's score method.
    measure = proportion(81, 263)
    assert measure.value == pytest.approx(81 / 263)
    assert (round(measure.low, 4), round(measure.high, 4)) == (0.2553, 0.3662)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_value_and_stays_within_bounds(case: tuple[int, int]):
    measure = proportion(*case)
    assert 0 <= measure.low <= measure.value <= measure.high <= 1
    assert measure.high > measure.low


def test_nothing_measured_means_nothing_known():
    assert (proportion(0, 0).low, proportion(0, 0).high) == (0.0, 1.0)


def test_f1_is_the_closed_form_and_its_interval_agrees_with_the_plain_bootstrap():
    counts = [(3, 1, 0), (2, 0, 2), (5, 2, 1), (0, 1, 1)] * 25

    def f1(rows: list) -> float:
        true_positive, false_positive, false_negative = map(sum, zip(*rows, strict=True))
        return 2 * true_positive / (2 * true_positive + false_positive + false_negative)

    fast, slow = f1_measure(counts), bootstrap(counts, f1)
    assert fast.value == pytest.approx(f1(counts))
    assert fast.low == pytest.approx(slow.low, abs=0.01)
    assert fast.high == pytest.approx(slow.high, abs=0.01)


@given(st.integers(0, 200), st.integers(1, 300))
def test_a_spread_sample_is_ordered_distinct_and_as_large_as_asked(count: int, limit: int):
    sample = spread(count, limit)
    assert len(sample) == min(count, limit)
    assert sample == sorted(set(sample))
    assert all(0 <= index < count for index in sample)


def test_groups_are_drawn_whole() -> None:
    alike = [[value] * 10 for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    apart = [[value] for group in alike for value in group]
    together, alone = grouped_mean(alike), grouped_mean(apart)
    assert together.value == pytest.approx(alone.value) == pytest.approx(0.5)
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_few_groups_get_a_wider_interval_than_plain_percentiles() -> None:
    values = [0.1, 0.2, 0.4, 0.5, 0.7]
    plain = bootstrap(values, lambda rows: sum(rows) / len(rows))  # type: ignore[arg-type]
    expanded = grouped_mean([[value] for value in values])
    assert expanded.low < plain.low and expanded.high > plain.high


def test_one_group_tells_nothing() -> None:
    with pytest.raises(InputError, match="two groups"):
        grouped_mean([[1.0, 2.0]])
