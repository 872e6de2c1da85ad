"""How often a sign occurs in a disease, pooled over the statements of all sources.

Every statement is turned into patients seen and examined, so that statements of different kinds add up:

- `n/m` counts as it stands;
- a percentage or frequency class counts as `CLASS_WEIGHT` patients;
- a sign reported without any frequency counts as one of two patients;
- NOT counts as none of `CLASS_WEIGHT` patients (or none of the m it names).

The pooled frequency is the mean of the Beta posterior, (seen + 1/2) / (examined + 2), so "1 of 1" is not certainty.
A pair that nobody has ever seen (only NOT, 0/m, class "excluded") is an exclusion: it supports no ancestor.

The prior was chosen on one half of the diseases of phenopacket-store (split by a hash of the disease id); the weights
of classes and unstated frequencies were compared on every second case of the whole set, where class weights of 5, 10
and 20 gave the same masked top-1 within .2 points.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.medical.knowledge.hpoa import Frequency
from apps.medical.knowledge.ragged import Ragged

CLASS_WEIGHT = 10.0
UNSTATED_SEEN, UNSTATED_EXAMINED = 1.0, 2.0
PRIOR_SEEN, PRIOR_EXAMINED = 0.5, 2.0
SMALLEST_BACKGROUND = 1e-4


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Patients (possibly fractional) with a sign among those examined, over all statements about one disease."""

    seen: float
    examined: float

    @property
    def excluded(self) -> bool:
        return self.seen <= 0

    @property
    def frequency(self) -> float:
        return (self.seen + PRIOR_SEEN) / (self.examined + PRIOR_EXAMINED)


def counts(frequency: Frequency, negated: bool) -> tuple[float, float]:
    """One statement as `(seen, examined)` patients."""
    if negated:
        return 0.0, float(max(frequency.examined, CLASS_WEIGHT))
    if frequency.examined:
        return float(frequency.seen), float(frequency.examined)
    if frequency.share is not None:
        return frequency.share * CLASS_WEIGHT, CLASS_WEIGHT
    return UNSTATED_SEEN, UNSTATED_EXAMINED


def pool(statements: Iterable[tuple[int, float, float]]) -> dict[int, Occurrence]:
    """Pool `(term, seen, examined)` statements of one disease by term."""
    sums: dict[int, tuple[float, float]] = {}
    for term, seen, examined in statements:
        before = sums.get(term, (0.0, 0.0))
        sums[term] = (before[0] + seen, before[1] + examined)
    return {term: Occurrence(seen, examined) for term, (seen, examined) in sums.items()}


def propagate(pooled: Mapping[int, Occurrence], ancestors: Ragged) -> dict[int, float]:
    """Frequency of every term that the signs of one disease imply.

    A term occurs where it or any annotated term below it does; these are taken as independent (noisy-or):
    1 - prod(1 - f). Exclusions do not propagate upwards: without the part, the whole may still be there.
    """
    absent: dict[int, float] = {}
    for term, occurrence in pooled.items():
        if occurrence.excluded:
            continue
        remaining = 1.0 - occurrence.frequency
        for ancestor in ancestors.row(term).tolist():
            absent[ancestor] = absent.get(ancestor, 1.0) * remaining
    return {term: 1.0 - remaining for term, remaining in absent.items()}


def background(by_term: Ragged, frequencies: NDArray[np.float32], diseases: int) -> NDArray[np.float64]:
    """Mean frequency of each term over all diseases, at least `SMALLEST_BACKGROUND`. Shape `(terms,)`."""
    sums = np.add.reduceat(np.append(frequencies.astype(np.float64), 0.0), by_term.starts[:-1])
    sums[np.diff(by_term.starts) == 0] = 0.0
    return np.maximum(sums / diseases, SMALLEST_BACKGROUND)


def information_content(by_term: Ragged, diseases: int) -> NDArray[np.float64]:
    """-ln(share of diseases with the term) (Resnik 1995); a term no disease has counts as if one had it."""
    return -np.log(np.maximum(np.diff(by_term.starts), 1) / diseases)
