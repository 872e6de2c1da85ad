"""How good found classes, sets of classes and spans are: figures with intervals, and paired differences.

All is told by sets: what is true of a record and what was found in it, one class, any number of classes, or spans with
their ends. A span is of the class that its label names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import UnknownName
from core.evaluation.intervals import Measure, expanded_interval, group_draws, proportion
from core.training.data.records import LabelledSpan
from core.training.supervised.classifier_card import Task

Item = str | LabelledSpan
Sums = npt.NDArray[np.float64]

METRICS: Mapping[Task, tuple[str, ...]] = {
    "text": ("macro_f1", "accuracy"),
    "pair": ("macro_f1", "accuracy"),
    "labels": ("micro_f1", "macro_f1", "exact"),
    "token": ("entity_f1", "entity_precision", "entity_recall"),
}
"""What is measured of each task; by the first is chosen where nothing else is said."""
_SHARES = ("accuracy", "exact")


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """How records fared.

    Attributes:
        counts: ``(n, C, 3)`` true positives, false positives and false negatives of each class in each record.
        exact: ``(n,)`` whether all that is true was found and nothing else.
        groups: what goes together and is drawn whole for intervals.
    """

    counts: Sums
    exact: Sums
    groups: tuple[str, ...]

    def value(self, metric: str) -> float:
        """`metric` of all records."""
        counts, exact = self.counts.sum(axis=0), self.exact.sum()
        return float(_figure(metric)(counts[None], exact[None], np.array([float(len(self.exact))]))[0])

    def measure(self, metric: str) -> Measure:
        """With its 95 % interval: Wilson's for a share of records that do not go together, else by bootstrap over
        groups."""
        if metric in _SHARES and len(set(self.groups)) == len(self.groups):
            return proportion(float(self.exact.sum()), len(self.exact))
        return _around(self.value(metric), self._draws(metric), len(set(self.groups)))

    def over(self, other: Judged, metric: str) -> Measure:
        """How much more than `other` on the same records, paired."""
        gain = self.value(metric) - other.value(metric)
        return _around(gain, self._draws(metric) - other._draws(metric), len(set(self.groups)))

    def _draws(self, metric: str) -> Sums:
        names, place = np.unique(np.array(self.groups), return_inverse=True)
        columns = np.column_stack([self.counts.reshape(len(place), -1), self.exact, np.ones(len(place))])
        table = np.zeros((len(names), columns.shape[1]))
        np.add.at(table, place, columns)  # (groups, 3 C + 2)
        sums: Sums = group_draws(len(names)).astype(np.float64) @ table
        return _figure(metric)(sums[:, :-2].reshape(len(sums), -1, 3), sums[:, -2], sums[:, -1])


def judge(
    truth: Sequence[Collection[Item]], found: Sequence[Collection[Item]], groups: Sequence[str] | None = None
) -> Judged:
    """How `found` compares with `truth`, record by record; without `groups` each record stands for itself."""
    names = sorted({_class_of(item) for items in (*truth, *found) for item in items})
    number = {name: place for place, name in enumerate(names)}
    counts = np.zeros((len(truth), len(names), 3))
    for row, (true, seen) in enumerate(zip(truth, found, strict=True)):
        true, seen = set(true), set(seen)
        for column, items in enumerate((true & seen, seen - true, true - seen)):
            for item in items:
                counts[row, number[_class_of(item)], column] += 1
    exact = np.array([set(true) == set(seen) for true, seen in zip(truth, found, strict=True)], dtype=float)
    return Judged(counts, exact, tuple(groups) if groups is not None else tuple(map(str, range(len(truth)))))


def check_metrics(task: Task, metrics: Sequence[str]) -> None:
    """Raises `UnknownName` for one that is not measured of `task`."""
    for metric in metrics:
        if metric not in METRICS[task]:
            raise UnknownName("metric of such data", metric, METRICS[task])


def _around(value: float, draws: Sums, groups: int) -> Measure:
    """The interval without the bootstrap's own bias (Efron and Tibshirani 1993, "An Introduction to the Bootstrap",
    section 10.2): resamples lose classes of which there are few, and their macro-F1 is lower than that of all."""
    return Measure(value, *expanded_interval(draws - (float(draws.mean()) - value), groups))


def _class_of(item: Item) -> str:
    return item.label if isinstance(item, LabelledSpan) else item


def _figure(metric: str) -> Callable[[Sums, Sums, npt.NDArray[np.float64]], Sums]:
    """From ``(R, C, 3)`` counts, ``(R,)`` exact records and ``(R,)`` records to ``(R,)`` figures."""
    return {
        "accuracy": lambda _, exact, size: exact / size,
        "exact": lambda _, exact, size: exact / size,
        "macro_f1": lambda counts, _, __: _macro_f1(counts),
        "micro_f1": lambda counts, _, __: _f1(counts.sum(axis=1)),
        "entity_f1": lambda counts, _, __: _f1(counts.sum(axis=1)),
        "entity_precision": lambda counts, _, __: _share(counts.sum(axis=1), 1),
        "entity_recall": lambda counts, _, __: _share(counts.sum(axis=1), 2),
    }[metric]


def _f1(sums: Sums) -> Sums:
    """``(…)`` of ``(…, 3)``; 0 where nothing is true and nothing was found."""
    result: Sums = 2 * sums[..., 0] / np.maximum(2 * sums[..., 0] + sums[..., 1] + sums[..., 2], 1)
    return result


def _macro_f1(counts: Sums) -> Sums:
    """Mean of the F1 of each class that is true or found somewhere."""
    met = counts.sum(axis=-1) > 0  # (R, C)
    result: Sums = (_f1(counts) * met).sum(axis=-1) / np.maximum(met.sum(axis=-1), 1)
    return result


def _share(sums: Sums, wrong: int) -> Sums:
    result: Sums = sums[..., 0] / np.maximum(sums[..., 0] + sums[..., wrong], 1)
    return result
