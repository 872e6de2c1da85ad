"""The differential: candidate diseases in order, each with what speaks for it, against it, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from apps.medical.case import Case
from apps.medical.diagnosis.confidence import Band, band, insufficient, shares
from apps.medical.diagnosis.likelihood import (
    DiseaseSigns,
    Match,
    Ratio,
    Scorer,
    absent_ratio,
    age_ratio,
    present_ratio,
    sex_ratio,
)
from apps.medical.knowledge.build import Statement
from apps.medical.knowledge.names import family_key
from apps.medical.knowledge.store import Knowledge

EXPECTED_FREQUENCY = 0.7
"""A sign this frequent in a disease is listed as missing when the note does not mention it. For display only."""

_MOST_STATEMENTS = 4
_MOST_EXPECTED = 6
_TIE = 1e-6

Kind = Literal["present", "absent", "sex", "age"]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one finding (or the patient's sex or age) adds to a disease's score, and the statements it rests on.

    `term` is the finding (None for sex and age); `via` the term of the disease it was compared with; `log_ratio` is
    natural.
    """

    kind: Kind
    term: int | None
    match: Match
    via: int | None
    log_ratio: float
    statements: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class ExpectedSign:
    """A sign frequent in the disease of which the note says nothing."""

    term: int
    frequency: float
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A disease in the differential. `score` is the sum of the contributions; `tied` says that its rank is shared."""

    rank: int
    disease: int
    score: float
    share: float
    band: Band
    contributions: tuple[Contribution, ...]
    expected: tuple[ExpectedSign, ...]
    same_name: tuple[int, ...]
    tied: bool

    @property
    def speaking_for(self) -> list[Contribution]:
        return sorted((c for c in self.contributions if c.log_ratio > 0), key=lambda c: -c.log_ratio)

    @property
    def speaking_against(self) -> list[Contribution]:
        return sorted((c for c in self.contributions if c.log_ratio < 0), key=lambda c: c.log_ratio)


@dataclass(frozen=True, slots=True)
class Differential:
    """The first candidates, and why they may not suffice (see `confidence.insufficient`)."""

    case: Case
    candidates: tuple[Candidate, ...]
    insufficient: str | None
    diseases_ranked: int


class Ranker:
    """Ranks all diseases of a knowledge base."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self._scorer = Scorer(knowledge)
        self._families = [family_key(name) for name in knowledge.names]

    def rank(self, case: Case, *, top: int = 10) -> Differential:
        """The first `top` candidates. Without a single finding present there is none."""
        if not case.present:
            return Differential(case, (), insufficient(np.zeros(0), 0), 0)
        scores = self._scorer.scores(case)
        order, same_name = self._collapsed(np.argsort(-scores, kind="stable"))
        ordered_shares = shares(scores[order], len(case.present))
        candidates = tuple(
            self._candidate(case, position, order, scores, float(ordered_shares[position]), same_name)
            for position in range(min(top, len(order)))
        )
        return Differential(case, candidates, insufficient(ordered_shares, len(case.present)), len(order))

    def shares(self, case: Case) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """All candidates in order, and their shares."""
        scores = self._scorer.scores(case)
        order, _ = self._collapsed(np.argsort(-scores, kind="stable"))
        return order, shares(scores[order], len(case.present))

    def _collapsed(self, order: NDArray[np.intp]) -> tuple[NDArray[np.intp], dict[int, list[int]]]:
        """Of an OMIM disease and the Orphanet and DECIPHER entries that repeat it by name, keep the best-scored.

        An entry repeats the OMIM disease of its words and numbers, or, having no number, the best of its words.
        """
        diseases = self.knowledge.diseases
        best: dict[object, int] = {}
        for disease in order.tolist():
            if diseases[disease].startswith("OMIM:"):
                words, numbers = self._families[disease]
                best.setdefault((words, numbers), disease)
                best.setdefault(words, disease)
        kept: list[int] = []
        speaker: dict[int, int] = {}  # the OMIM disease of a group → the entry that stands for it
        same_name: dict[int, list[int]] = {}
        for disease in order.tolist():
            words, numbers = self._families[disease]
            is_omim = diseases[disease].startswith("OMIM:")
            home = disease if is_omim else best.get((words, numbers)) or (None if numbers else best.get(words))
            if home is None:
                kept.append(disease)
            elif home in speaker:
                same_name.setdefault(speaker[home], []).append(disease)
            else:
                speaker[home] = disease
                kept.append(disease)
        return np.array(kept), same_name

    def _candidate(
        self,
        case: Case,
        position: int,
        order: NDArray[np.intp],
        scores: NDArray[np.float64],
        share: float,
        same_name: dict[int, list[int]],
    ) -> Candidate:
        disease, score = int(order[position]), float(scores[order[position]])
        rank = 1 + int((scores[order] > score + _TIE).sum())
        return Candidate(
            rank=rank,
            disease=disease,
            score=score,
            share=share,
            band=band(share),
            contributions=self.explain(case, disease),
            expected=self._expected(case, disease),
            same_name=tuple(same_name.get(disease, ())),
            tied=int((np.abs(scores[order] - score) <= _TIE).sum()) > 1,
        )

    def explain(self, case: Case, disease: int) -> tuple[Contribution, ...]:
        """Everything that enters the score of `disease`, zero contributions included."""
        knowledge = self.knowledge
        signs = DiseaseSigns.of(knowledge.occurrences(disease), knowledge.frequencies(disease))
        stated = knowledge.statements(disease)
        parts = [self._part("present", t, present_ratio(knowledge, signs, t), stated) for t in case.present]
        parts += [self._part("absent", t, absent_ratio(knowledge, signs, t), stated) for t in case.absent]
        sex = sex_ratio(bool(knowledge.mostly_male[disease]), case.sex)
        age = age_ratio(float(knowledge.earliest_onset_years[disease]), case.age_years)
        parts += [Contribution("sex", None, "exact", None, sex)] if sex else []
        parts += [Contribution("age", None, "exact", None, age)] if age else []
        return tuple(parts)

    def _part(self, kind: Kind, term: int, ratio: Ratio, stated: Iterable[Statement]) -> Contribution:
        far_off = ratio.match == "related" and ratio.log_ratio <= 0  # too distant for its statements to tell anything
        via = None if far_off else ratio.via
        supporting = self._statements_below(via, stated, denied=ratio.match == "contradicted")
        return Contribution(kind, term, ratio.match, ratio.via, ratio.log_ratio, supporting)

    def _statements_below(
        self, term: int | None, stated: Iterable[Statement], *, denied: bool = False
    ) -> tuple[Statement, ...]:
        """The statements that make a disease imply (or lack) `term`: on the term itself first, then by frequency."""
        if term is None:
            return ()
        below = set(self.knowledge.ontology.descendants.row(term).tolist())
        fitting = [s for s in stated if s.term in below and (s.seen > 0) is not denied]
        fitting.sort(key=lambda s: (s.term != term, -s.seen / s.examined, s.source))
        return tuple(fitting[:_MOST_STATEMENTS])

    def _expected(self, case: Case, disease: int) -> tuple[ExpectedSign, ...]:
        """Frequent signs that neither the patient's findings nor anything implied by or implying them speaks of."""
        ontology = self.knowledge.ontology
        mentioned = {int(a) for t in (*case.present, *case.absent) for a in ontology.ancestors.row(t)}
        mentioned |= {int(d) for t in case.absent for d in ontology.descendants.row(t)}
        occurrences = self.knowledge.occurrences(disease)
        frequent = {
            term: occurrence.frequency
            for term, occurrence in occurrences.items()
            if not occurrence.excluded
            and occurrence.frequency >= EXPECTED_FREQUENCY
            and not mentioned & set(ontology.ancestors.row(term).tolist())
            and term not in mentioned
        }
        stated = self.knowledge.statements(disease)
        chosen = sorted(frequent, key=lambda t: (-frequent[t], -self.knowledge.information[t]))[:_MOST_EXPECTED]
        return tuple(ExpectedSign(t, frequent[t], self._statements_below(t, stated)) for t in chosen)
