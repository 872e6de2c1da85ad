"""How much each finding speaks for or against a disease: naive-Bayes log likelihood ratios.

For a disease d, F[h] is the pooled frequency of term h (`knowledge.frequencies`), b[h] its mean over all diseases.

A finding h that the patient has:
    F[h] / b[h]                          where d implies h;
    DISCOUNT * max_c F[c] / b[c]         else, over ancestors c of h: the same organ, another sign;
    at least FLOOR in every case         an unrelated finding costs a disease no more than this;
    F / b below 1, at least CONTRADICTED where sources say that h, or what h is a kind of, does not occur in d.
A finding h that the patient does not have, with BELIEF the share of denials taken at their word:
    (1 - BELIEF * F[h]) / (1 - BELIEF * b[h])
Sex and age, as far as known:
    WRONG_SEX for a female patient and an X-linked recessive disease; TOO_YOUNG where the disease starts later in life.

The score of a disease is the sum of the logarithms: every part of it can be shown. Findings are taken as independent,
which makes the sum overconfident; `confidence` corrects that.

DISCOUNT and FLOOR were chosen on the half of phenopacket-store's diseases with an even hash of the id, masked protocol
(see `evaluation.phenopackets`); between .03 and .1, and .05 and .2, the top-1 is the same within .5 points. BELIEF,
WRONG_SEX and TOO_YOUNG were looked at on every second case of the whole set; sex and age hardly matter there (+.2
points). BELIEF is a compromise: every bit of it lowers the figures (.3 costs about 1.5 points of top-1
against ignoring absent findings), because those cases list as absent what the disease's paper tabulated, which a
clinical note does not; yet a reader expects a stated absence to count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from apps.medical.case import Case, Sex
from apps.medical.knowledge.frequencies import Occurrence
from apps.medical.knowledge.store import Knowledge

DISCOUNT = 0.05
FLOOR = 0.2
CONTRADICTED = 0.1
BELIEF = 0.3
WRONG_SEX = 0.2
TOO_YOUNG = 0.2

Match = Literal["exact", "related", "none", "contradicted"]


@dataclass(frozen=True, slots=True)
class DiseaseSigns:
    """The signs of one disease: frequency of each implied term, and the terms stated not to occur."""

    frequency: Mapping[int, float]
    excluded: Mapping[int, float]

    @classmethod
    def of(cls, occurrences: Mapping[int, Occurrence], frequency: Mapping[int, float]) -> DiseaseSigns:
        excluded = {term: o.frequency for term, o in occurrences.items() if o.excluded and term not in frequency}
        return cls(frequency, excluded)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A log likelihood ratio (natural), how it came about, and the term it rests on (None for "none")."""

    log_ratio: float
    match: Match
    via: int | None


def present_ratio(knowledge: Knowledge, signs: DiseaseSigns, term: int) -> Ratio:
    """What the presence of `term` says about one disease."""
    ancestors = knowledge.ontology.ancestors.row(term).tolist()
    if term not in signs.frequency:
        denied = {a: signs.excluded[a] / knowledge.background[a] for a in ancestors if a in signs.excluded}
        if denied:
            via = min(denied, key=denied.__getitem__)
            return Ratio(float(np.log(max(CONTRADICTED, min(1.0, denied[via])))), "contradicted", via)
    best = Ratio(float(np.log(FLOOR)), "none", None)
    for ancestor in ancestors:
        if ancestor in signs.frequency:
            ratio = signs.frequency[ancestor] / knowledge.background[ancestor]
            exact = ancestor == term
            log_ratio = float(np.log(max(FLOOR, ratio if exact else DISCOUNT * ratio)))
            if log_ratio > best.log_ratio or (exact and log_ratio >= best.log_ratio):
                best = Ratio(log_ratio, "exact" if exact else "related", ancestor)
    return best


def absent_ratio(knowledge: Knowledge, signs: DiseaseSigns, term: int) -> Ratio:
    """What the absence of `term` says about one disease."""
    frequency = signs.frequency.get(term, 0.0)
    ratio = (1 - BELIEF * frequency) / (1 - BELIEF * knowledge.background[term])
    return Ratio(float(np.log(ratio)), "exact" if frequency else "none", term if frequency else None)


def sex_ratio(mostly_male: bool, sex: Sex | None) -> float:
    """Log ratio of the patient's sex."""
    return float(np.log(WRONG_SEX)) if mostly_male and sex == "female" else 0.0


def age_ratio(earliest_onset_years: float, age_years: float | None) -> float:
    """Log ratio of the patient's age: a disease that starts later in life does not explain today's signs.

    Half a year, or a tenth of the onset age, is granted for loose boundaries. NaN (onset unknown) says nothing.
    """
    if age_years is None or np.isnan(earliest_onset_years):
        return 0.0
    return float(np.log(TOO_YOUNG)) if age_years + max(0.5, age_years * 0.1) < earliest_onset_years else 0.0


class Scorer:
    """Scores of all diseases at once; equals the sum of the scalar ratios above, disease by disease."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self._present = lru_cache(maxsize=512)(self._present_column)

    def scores(self, case: Case) -> NDArray[np.float64]:
        """Log likelihood ratio of every disease against the average one. Shape `(diseases,)`."""
        knowledge = self.knowledge
        total = np.zeros(len(knowledge.diseases))
        for term in case.present:
            total += self._present(term)
        for term in case.absent:
            total += self._absent_column(term)
        if case.sex == "female":
            total[knowledge.mostly_male] += np.log(WRONG_SEX)
        if case.age_years is not None:
            limit = case.age_years + max(0.5, case.age_years * 0.1)
            total[knowledge.earliest_onset_years > limit] += np.log(TOO_YOUNG)
        return total

    def score_one(self, case: Case, disease: int, signs: DiseaseSigns) -> float:
        """The score of one disease whose signs differ from the knowledge base's."""
        knowledge = self.knowledge
        return (
            sum(present_ratio(knowledge, signs, term).log_ratio for term in case.present)
            + sum(absent_ratio(knowledge, signs, term).log_ratio for term in case.absent)
            + sex_ratio(bool(knowledge.mostly_male[disease]), case.sex)
            + age_ratio(float(knowledge.earliest_onset_years[disease]), case.age_years)
        )

    def _present_column(self, term: int) -> NDArray[np.float32]:
        knowledge = self.knowledge
        ratio = np.full(len(knowledge.diseases), FLOOR, np.float32)
        ancestors = knowledge.ontology.ancestors.row(term).tolist()
        for ancestor in ancestors:
            at = knowledge.by_term.bounds(ancestor)
            diseases = knowledge.by_term.values[at]
            weight = (1.0 if ancestor == term else DISCOUNT) / knowledge.background[ancestor]
            ratio[diseases] = np.maximum(ratio[diseases], knowledge.by_term_frequency[at] * weight)
        self._cap_contradicted(ratio, term, ancestors)
        return np.log(ratio)

    def _cap_contradicted(self, ratio: NDArray[np.float32], term: int, ancestors: Iterable[int]) -> None:
        knowledge = self.knowledge
        denied = np.full(len(ratio), np.inf, np.float32)
        for ancestor in ancestors:
            at = knowledge.excluded_by_term.bounds(ancestor)
            diseases = knowledge.excluded_by_term.values[at]
            value = knowledge.excluded_frequency[at] / knowledge.background[ancestor]
            denied[diseases] = np.minimum(denied[diseases], value)
        denied[knowledge.by_term.row(term)] = np.inf
        at_odds = np.isfinite(denied)
        ratio[at_odds] = np.clip(denied[at_odds], CONTRADICTED, 1.0)

    def _absent_column(self, term: int) -> NDArray[np.float64]:
        knowledge = self.knowledge
        frequency = np.zeros(len(knowledge.diseases))
        frequency[knowledge.by_term.row(term)] = knowledge.by_term_frequency[knowledge.by_term.bounds(term)]
        log_ratio: NDArray[np.float64] = np.log1p(-BELIEF * frequency)
        return log_ratio - float(np.log1p(-BELIEF * knowledge.background[term]))
