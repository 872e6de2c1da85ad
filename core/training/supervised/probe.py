"""A linear probe: a classifier on the vectors of a frozen encoder or decoder, with calibrated probabilities.

Multinomial logistic regression (scikit-learn, L2) on centred vectors, then one temperature for all classes, fitted by
cross-validated log-likelihood (Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2). What is kept
are plain arrays in a safetensors file, so predicting needs numpy alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError, InternalError
from core.files import write_atomic
from core.training.supervised.label_scores import fitted_temperature

if TYPE_CHECKING:
    from collections.abc import Iterator

Vectors = NDArray[np.float32]
Scores = NDArray[np.float64]

_TEMPERATURES = np.geomspace(0.25, 8.0, 61)
_FOLDS = 6
_ITERATIONS = 1000
_TOLERANCE = 1e-3
STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Inverse penalties tried, on centred vectors of unit spread."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearClassifier:
    """`softmax((x - mean) / scale @ weights.T + bias)`.

    Attributes:
        labels: names of the L classes, sorted.
        mean: `(d,)`, the training vectors' mean: encoders such as E5 put all texts into a narrow cone.
        scale: one number, the spread of the centred training vectors.
        weights: `(L, d)`, with the temperature divided in; bias: `(L,)`, likewise.
    """

    labels: tuple[str, ...]
    mean: Scores
    scale: float
    weights: Scores
    bias: Scores

    def logits(self, vectors: Vectors) -> Scores:
        """`(n, L)` scores of `(n, d)` vectors."""
        scores: Scores = (np.asarray(vectors, dtype=np.float64) - self.mean) / self.scale @ self.weights.T + self.bias
        return scores

    def log_probabilities(self, vectors: Vectors) -> Scores:
        """`(n, L)` natural logarithms of the class probabilities of `(n, d)` vectors."""
        logits = self.logits(vectors)
        shifted = logits - logits.max(axis=1, keepdims=True)
        result: Scores = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return result

    def save(self, path: Path) -> None:
        """Write to a safetensors file in one step."""
        from safetensors.numpy import save

        arrays = {
            "mean": self.mean,
            "scale": np.array([self.scale]),
            "weights": np.ascontiguousarray(self.weights),
            "bias": np.ascontiguousarray(self.bias),
            "labels": np.frombuffer(json.dumps(self.labels).encode(), dtype=np.uint8),
        }
        write_atomic(path, save(arrays))

    @classmethod
    def load(cls, path: Path) -> LinearClassifier:
        """Read what `save` wrote."""
        from safetensors.numpy import load

        arrays = load(path.read_bytes())
        labels = tuple(json.loads(arrays["labels"].tobytes()))
        loaded = cls(labels, arrays["mean"], float(arrays["scale"][0]), arrays["weights"], arrays["bias"])
        if loaded.weights.shape != (len(labels), len(loaded.mean)):
            raise InternalError(f"The classifier in '{path}' does not fit together.", hint="Remove the file.")
        return loaded


def fit(
    vectors: Vectors, labels: Sequence[str], *, strength: float, balanced: bool = False, calibrate: bool = True
) -> LinearClassifier:
    """Train on `(n, d)` vectors.

    Args:
        strength: inverse of the L2 penalty (`C`) on centred vectors of unit spread.
        balanced: weigh classes inversely to their frequency.
        calibrate: fit the temperature by cross-validation; needs two examples of every class.
    """
    raw = _fit_raw(vectors, labels, strength, balanced)
    if not calibrate:
        return raw
    temperature = _choose_temperature(vectors, labels, strength, balanced)
    return LinearClassifier(raw.labels, raw.mean, raw.scale, raw.weights / temperature, raw.bias / temperature)


@dataclass(frozen=True, slots=True, eq=False)
class ChosenProbe:
    """A probe, the penalty it was fitted with, and the validation accuracy of each penalty tried."""

    classifier: LinearClassifier
    strength: float
    accuracies: Mapping[float, float]


def learn_probe(
    vectors: Vectors,
    labels: Sequence[str],
    held_out: Vectors,
    held_out_labels: Sequence[str],
    *,
    strengths: Sequence[float] = STRENGTHS,
    balanced: bool = False,
) -> ChosenProbe:
    """The probe whose penalty does best on held-out vectors (the strongest penalty of equals), calibrated on them.

    Raises:
        InputError: one class, or a held-out label that is not among those learned.
    """
    unknown = sorted(set(held_out_labels) - set(labels))
    if unknown:
        raise InputError(f"The label '{unknown[0]}' is not among those learned.", hint="Split by stratum.")
    accuracies: dict[float, float] = {}
    fitted: dict[float, LinearClassifier] = {}
    for strength in sorted(strengths):
        fitted[strength] = _fit_raw(vectors, labels, strength, balanced)
        best = fitted[strength].log_probabilities(held_out).argmax(axis=1)
        truth = np.searchsorted(fitted[strength].labels, list(held_out_labels))
        accuracies[strength] = float((best == truth).mean())
    chosen = max(accuracies, key=lambda strength: (accuracies[strength], -strength))
    raw = fitted[chosen]
    temperature = fitted_temperature(
        raw.log_probabilities(held_out), np.searchsorted(raw.labels, list(held_out_labels)).tolist()
    )
    calibrated = LinearClassifier(raw.labels, raw.mean, raw.scale, raw.weights / temperature, raw.bias / temperature)
    return ChosenProbe(calibrated, chosen, accuracies)


def learn_set_probe(
    vectors: Vectors,
    labels: NDArray[np.integer],
    held_out: Vectors,
    held_out_labels: NDArray[np.integer],
    names: Sequence[str],
    *,
    strengths: Sequence[float] = STRENGTHS,
    balanced: bool = False,
) -> LinearClassifier:
    """A logistic regression a class, for `(n, L)` classes that are there (1) or not (0); the one penalty of all under
    which the held-out rows are likeliest. Its scores are for a sigmoid, not for `log_probabilities`."""
    likelihoods: dict[float, float] = {}
    fitted: dict[float, LinearClassifier] = {}
    for strength in sorted(strengths):
        fitted[strength] = _fit_sets(vectors, labels, names, strength, balanced)
        scores = fitted[strength].logits(held_out)
        likelihoods[strength] = float((held_out_labels * scores - np.logaddexp(0, scores)).mean())
    return fitted[max(likelihoods, key=lambda strength: (likelihoods[strength], -strength))]


def cross_validated(vectors: Vectors, labels: Sequence[str], *, strength: float, balanced: bool = False) -> Scores:
    """`(n, L)` log-probabilities of every row by a classifier that did not see it (temperature 1)."""
    classes = sorted(set(labels))
    result = np.zeros((len(labels), len(classes)))
    for held_out in _folds(labels):
        seen = ~held_out
        model = _fit_raw(
            vectors[seen], [label for label, keep in zip(labels, seen, strict=True) if keep], strength, balanced
        )
        if model.labels != tuple(classes):
            raise InternalError("A class has too few examples for cross-validation.")
        result[held_out] = model.log_probabilities(vectors[held_out])
    return result


def _fit_raw(vectors: Vectors, labels: Sequence[str], strength: float, balanced: bool) -> LinearClassifier:
    from sklearn.linear_model import LogisticRegression

    if len(set(labels)) < 2:
        raise InputError("There is one class: nothing to tell apart.", hint="Add examples of another class.")
    mean = np.asarray(vectors, dtype=np.float64).mean(axis=0)
    centred = vectors - mean
    scale = float(centred.std()) or 1.0
    model = LogisticRegression(
        C=strength, max_iter=_ITERATIONS, tol=_TOLERANCE, class_weight="balanced" if balanced else None
    ).fit(centred / scale, list(labels))
    weights, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes
        weights, bias = np.vstack([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])
    return LinearClassifier(tuple(map(str, model.classes_)), mean, scale, weights, bias)


def _fit_sets(
    vectors: Vectors, labels: NDArray[np.integer], names: Sequence[str], strength: float, balanced: bool
) -> LinearClassifier:
    from sklearn.linear_model import LogisticRegression

    mean = np.asarray(vectors, dtype=np.float64).mean(axis=0)
    scale = float((vectors - mean).std()) or 1.0
    weights, bias = np.zeros((len(names), len(mean))), np.zeros(len(names))
    weighing = "balanced" if balanced else None
    for number, there in enumerate(labels.T):
        count = int(there.sum())
        if 0 < count < len(there):
            one = LogisticRegression(C=strength, max_iter=_ITERATIONS, tol=_TOLERANCE, class_weight=weighing)
            one.fit((vectors - mean) / scale, there)
            weights[number], bias[number] = one.coef_[0], one.intercept_[0]
        else:  # nothing to tell apart: its frequency alone, with half an example of either kind added
            bias[number] = np.log((count + 0.5) / (len(there) - count + 0.5))
    return LinearClassifier(tuple(names), mean, scale, weights, bias)


def _choose_temperature(vectors: Vectors, labels: Sequence[str], strength: float, balanced: bool) -> float:
    """The temperature under which held-out rows are likeliest."""
    log_probabilities = cross_validated(vectors, labels, strength=strength, balanced=balanced)
    truth = np.searchsorted(sorted(set(labels)), list(labels))
    rows = np.arange(len(truth))
    likelihoods = []
    for temperature in _TEMPERATURES:
        logits = log_probabilities / temperature
        likelihoods.append((logits[rows, truth] - np.log(np.exp(logits).sum(axis=1))).mean())
    return float(_TEMPERATURES[int(np.argmax(likelihoods))])


def _folds(labels: Sequence[str]) -> Iterator[NDArray[np.bool_]]:
    """Masks of the held-out rows: the k-th example of a class goes to fold k modulo the number of folds."""
    seen: dict[str, int] = {}
    fold = np.zeros(len(labels), dtype=int)
    for row, label in enumerate(labels):
        fold[row] = seen.get(label, 0)
        seen[label] = fold[row] + 1
    count = min(_FOLDS, min(seen.values()))
    if count < 2:
        raise InternalError("Cross-validation needs two examples of every class.")
    for index in range(count):
        yield fold % count == index
