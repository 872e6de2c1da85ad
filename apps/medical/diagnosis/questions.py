"""What to ask or look for next: the signs whose presence or absence would change the ranking most.

Expected information gain of a sign t over the diseases' shares p:
    H(p) - [P(t) H(p | t) + (1 - P(t)) H(p | not t)],   P(t) = sum_d p_d F_d[t]
with F_d[t] the frequency of t in d, and half its background where d does not imply t (Lindley 1956, Ann Math Stat 27).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.medical.case import Case
from apps.medical.diagnosis.differential import Ranker

_DISEASES = 100
_CEILING = 0.98
_GROUPING_LABELS = ("Abnormal ", "Abnormality ", "Aplasia/Hypoplasia ")  # headings of the ontology, nothing to ask for


@dataclass(frozen=True, slots=True)
class Question:
    """A sign to look for. `gain` is in bits; `favours` are the candidates it would move up most, best first."""

    term: int
    gain: float
    probability: float
    favours: tuple[int, ...]


def next_questions(ranker: Ranker, case: Case, *, count: int = 5) -> list[Question]:
    """The `count` signs with the largest expected gain that the note does not speak of, no two of one branch."""
    if not case.present:
        return []
    knowledge = ranker.knowledge
    order, share = ranker.shares(case)
    diseases, weights = order[:_DISEASES].tolist(), share[:_DISEASES] / share[:_DISEASES].sum()
    settled = _settled(ranker, case)
    stated = {t for d in diseases for t, o in knowledge.occurrences(d).items() if not o.excluded}
    terms = sorted(t for t in stated - settled if not knowledge.ontology.labels[t].startswith(_GROUPING_LABELS))
    if not terms:
        return []
    frequency = _frequencies(ranker, diseases, terms)  # (diseases, terms)
    gain, probability = information_gain(weights, frequency)
    chosen: list[Question] = []
    taken: set[int] = set()
    for index in np.argsort(-gain, kind="stable"):
        term = terms[index]
        branch = set(knowledge.ontology.ancestors.row(term).tolist())
        if term in taken or branch & {question.term for question in chosen}:
            continue
        lift = weights * frequency[:, index]
        best = tuple(diseases[i] for i in np.argsort(-lift)[:2])
        chosen.append(Question(term, float(gain[index]), float(probability[index]), best))
        taken |= branch
        if len(chosen) == count:
            break
    return chosen


def information_gain(
    weights: NDArray[np.float64], frequency: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`(gain in bits, probability)` of every sign.

    Args:
        weights: `(diseases,)`, summing to 1.
        frequency: `(diseases, signs)`, strictly between 0 and 1.
    """
    probability = weights @ frequency  # (signs,)
    with_sign = weights[:, None] * frequency / probability
    without = weights[:, None] * (1 - frequency) / (1 - probability)
    remaining = probability * _entropy(with_sign) + (1 - probability) * _entropy(without)
    return _entropy(weights[:, None]) - remaining, probability


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy in bits of every column."""
    result: NDArray[np.float64] = -(p * np.log2(np.maximum(p, 1e-300))).sum(axis=0)
    return result


def _settled(ranker: Ranker, case: Case) -> set[int]:
    """Signs that need no asking: what is known to be present implies its ancestors, what is absent its descendants."""
    ontology = ranker.knowledge.ontology
    settled = {int(a) for term in case.present for a in ontology.ancestors.row(term)}
    return settled | {int(d) for term in case.absent for d in ontology.descendants.row(term)}


def _frequencies(ranker: Ranker, diseases: list[int], terms: list[int]) -> NDArray[np.float64]:
    knowledge = ranker.knowledge
    column = {term: index for index, term in enumerate(terms)}
    table = np.tile(knowledge.background[terms] / 2, (len(diseases), 1))
    for row, disease in enumerate(diseases):
        for term, value in knowledge.frequencies(disease).items():
            if term in column:
                table[row, column[term]] = value
    return np.minimum(table, _CEILING)
