"""How good predicted classes and spans are, as figures with intervals, and how honest their probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.evaluation.intervals import bootstrap, f1_measure, proportion
from core.models.adapters import Measurement
from core.training.data.records import LabelledSpan

_BINS = 15


def class_scores(truth: Sequence[int], predicted: Sequence[int]) -> tuple[Measurement, ...]:
    """Accuracy (Wilson's interval) and macro-F1 (bootstrap over the examples)."""
    pairs = list(zip(truth, predicted, strict=True))
    accuracy = proportion(sum(a == b for a, b in pairs), len(pairs))
    f1 = bootstrap(pairs, lambda rows: macro_f1(*zip(*rows, strict=True)))  # type: ignore[call-overload]
    return (
        Measurement(metric="accuracy", value=accuracy.value, interval=(accuracy.low, accuracy.high), n=len(pairs)),
        Measurement(metric="macro_f1", value=f1.value, interval=(f1.low, f1.high), n=len(pairs)),
    )


def macro_f1(truth: Sequence[int], predicted: Sequence[int]) -> float:
    """Mean of the F1 of each class that is true or predicted somewhere."""
    true, found = np.asarray(truth), np.asarray(predicted)
    classes = int(max(true.max(), found.max())) + 1
    in_truth, in_found = np.bincount(true, minlength=classes), np.bincount(found, minlength=classes)
    hits = np.bincount(true[true == found], minlength=classes)
    met = in_truth + in_found > 0
    return float((2 * hits[met] / (in_truth + in_found)[met]).mean())


def span_counts(truth: Sequence[LabelledSpan], found: Sequence[LabelledSpan]) -> tuple[int, int, int]:
    """True positives, false positives and false negatives of one text; a hit has both ends and the label right."""
    hits = len(set(truth) & set(found))
    return hits, len(set(found)) - hits, len(set(truth)) - hits


def span_scores(counts: Sequence[tuple[int, int, int]]) -> tuple[Measurement, ...]:
    """Precision, recall and F1 of spans over all texts, F1 with a bootstrap interval over texts."""
    hits, wrong, missed = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
    f1 = f1_measure(counts)
    precision, recall = proportion(hits, hits + wrong), proportion(hits, hits + missed)
    return (
        Measurement(metric="entity_f1", value=f1.value, interval=(f1.low, f1.high), n=len(counts)),
        Measurement(metric="entity_precision", value=precision.value, n=hits + wrong),
        Measurement(metric="entity_recall", value=recall.value, n=hits + missed),
    )


def fitted_temperature(logits: npt.NDArray[np.floating], truth: Sequence[int]) -> float:
    """The temperature that makes `truth` likeliest under softmax(logits / T), from 0.05 to 20.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2. The log-likelihood is concave in 1 / T, so
    the root of its derivative is found by halving.

    Args:
        logits: ``(n, C)`` of examples that nothing was learned from.
    """
    scores = np.asarray(logits, dtype=np.float64)
    chosen = scores[np.arange(len(scores)), np.asarray(truth)]
    low, high = 1 / 20, 20.0
    for _ in range(60):
        middle = (low * high) ** 0.5
        probabilities = softmax(scores * middle)
        slope = float((chosen - (probabilities * scores).sum(axis=1)).mean())
        low, high = (middle, high) if slope > 0 else (low, middle)
    return float(1 / (low * high) ** 0.5)


def calibration_error(probabilities: npt.NDArray[np.floating], truth: Sequence[int]) -> float:
    """Expected calibration error (Guo et al. 2017, eq. 3): mean distance of confidence and accuracy over 15 bins."""
    sure = np.asarray(probabilities).max(axis=1)
    hit = np.asarray(probabilities).argmax(axis=1) == np.asarray(truth)
    bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    gaps = [abs(float(sure[bins == b].sum()) - int(hit[bins == b].sum())) for b in range(_BINS)]
    return sum(gaps) / len(sure)


def softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``(n, C)`` probabilities."""
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: npt.NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return probabilities
