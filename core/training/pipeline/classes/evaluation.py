"""Measuring a classifier on one split: what it finds in every record, kept in a file, and the figures of that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.evaluation.intervals import Measure
from core.files import OWN_MAX_BYTES, read_json, write_atomic
from core.training.data.records import LabelledSpan, Record
from core.training.pipeline.classes.labelled import group_of
from core.training.supervised.classifier import Classifier
from core.training.supervised.classify import Finding, found_in, truth_of
from core.training.supervised.label_figures import Item, Judged, judge
from core.training.supervised.label_scores import calibration_error


@dataclass(frozen=True, slots=True, eq=False)
class ClassEvaluation:
    """What was found in the records of one split, in their order."""

    records: tuple[Record, ...]
    findings: tuple[Finding, ...]
    judged: Judged = field(init=False)

    def __post_init__(self) -> None:
        truths, found = [truth_of(one) for one in self.records], [one.items for one in self.findings]
        object.__setattr__(self, "judged", judge(truths, found, [group_of(record) for record in self.records]))

    def measure(self, metric: str) -> Measure:
        """With its 95 % interval."""
        return self.judged.measure(metric)

    def over(self, other: ClassEvaluation, metric: str) -> Measure:
        """How much more than `other` on the same records, paired, with its 95 % interval."""
        return self.judged.over(other.judged, metric)

    @property
    def calibration_error(self) -> float | None:
        """See `core.training.supervised.label_scores.calibration_error`; None where not every record has one class."""
        sure = [one.probability for one in self.findings if one.probability is not None]
        return calibration_error(sure, [bool(right) for right in self.judged.exact]) if sure else None


def evaluated(
    records: Sequence[Record], key: str, folder: Path, classifier: Callable[[], Classifier]
) -> ClassEvaluation:
    """The evaluation of a classifier on `records`; it is made and run only where it was not measured before.

    Args:
        key: which classifier it is.
        folder: where findings are kept.
    """
    what = json.dumps([key, [record.as_json() for record in records]], ensure_ascii=False, sort_keys=True)
    path = folder / f"{hashlib.sha256(what.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.json"
    if path.is_file():
        rows = read_json(path, max_bytes=OWN_MAX_BYTES)
        return ClassEvaluation(tuple(records), tuple(map(_finding, rows)))
    found = found_in(classifier(), records)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"items": [_plain(item) for item in one.items], "probability": one.probability} for one in found]
    write_atomic(path, json.dumps(rows, ensure_ascii=False))
    return ClassEvaluation(tuple(records), tuple(found))


def shown(record: Record, items: Sequence[Item]) -> str:
    """Classes, or spans with their text, in one line."""
    text = record.texts()[0]
    words = [
        f"{item.label}: {text[item.start : item.end]}" if isinstance(item, LabelledSpan) else item for item in items
    ]
    return "; ".join(words) or "none"


def _plain(item: Item) -> str | list[Any]:
    return list(item) if isinstance(item, LabelledSpan) else item


def _finding(row: dict[str, Any]) -> Finding:
    items = tuple(item if isinstance(item, str) else LabelledSpan(*item) for item in row["items"])
    return Finding(items, row["probability"])
