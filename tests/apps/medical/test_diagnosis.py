"""Scores equal their slow reference, behave as a reader expects, and every part of them is explained."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.medical.case import Case
from apps.medical.diagnosis.confidence import LEAST_SHARE_OF_TEN, band, insufficient, shares
from apps.medical.diagnosis.differential import Ranker
from apps.medical.diagnosis.likelihood import (
    BELIEF,
    CONTRADICTED,
    DISCOUNT,
    FLOOR,
    TOO_YOUNG,
    WRONG_SEX,
    DiseaseSigns,
    Scorer,
    absent_ratio,
    age_ratio,
    present_ratio,
)
from apps.medical.diagnosis.questions import information_gain, next_questions


def term(knowledge, term_id: str) -> int:
    return knowledge.ontology.position(term_id)


def signs(knowledge, disease: int) -> DiseaseSigns:
    return DiseaseSigns.of(knowledge.occurrences(disease), knowledge.frequencies(disease))


def test_scores_of_all_diseases_equal_the_scalar_reference(doctor):
    knowledge, scorer, rng = doctor.knowledge, Scorer(doctor.knowledge), random.Random(5)
    phenotypes = [t for t in range(len(knowledge.ontology)) if knowledge.ontology.is_phenotype[t]]
    for _ in range(3):
        chosen = rng.sample(phenotypes, 12)
        case = Case(tuple(chosen[:6]), tuple(chosen[6:]), "female", 3.0)
        scores = scorer.scores(case)
        for disease in rng.sample(range(len(knowledge.diseases)), 150):
            assert scores[disease] == pytest.approx(
                scorer.score_one(case, disease, signs(knowledge, disease)), abs=1e-5
            )


def test_a_known_sign_counts_by_frequency_over_background(small):
    disease, long = small.disease_position("OMIM:1"), term(small, "HP:0100002")
    ratio = present_ratio(small, signs(small, disease), long)
    expected = math.log(small.frequencies(disease)[long] / small.background[long])
    assert (ratio.log_ratio, ratio.match, ratio.via) == (pytest.approx(expected, rel=1e-5), "exact", long)


def test_a_sign_implied_by_a_narrower_one_counts_as_known(small):
    disease, cloudy = small.disease_position("OMIM:1"), term(small, "HP:0100005")
    ratio = present_ratio(small, signs(small, disease), cloudy)
    assert ratio.match == "exact" and ratio.log_ratio > math.log(FLOOR)


def test_a_related_sign_counts_a_little_and_an_unrelated_one_costs_the_floor(small):
    disease = small.disease_position("OMIM:3")
    very = present_ratio(small, signs(small, disease), term(small, "HP:0100006"))
    near = small.frequencies(disease)[term(small, "HP:0100005")] / small.background[term(small, "HP:0100005")]
    assert very.log_ratio == pytest.approx(math.log(max(FLOOR, DISCOUNT * near)))
    short = present_ratio(small, signs(small, disease), term(small, "HP:0100003"))
    assert (short.match, short.log_ratio) == ("none", pytest.approx(math.log(FLOOR)))


def test_a_sign_reported_not_to_occur_speaks_against(small):
    disease, long = small.disease_position("OMIM:3"), term(small, "HP:0100002")
    ratio = present_ratio(small, signs(small, disease), long)
    assert ratio.match == "contradicted" and ratio.via == long
    assert math.log(CONTRADICTED) <= ratio.log_ratio < 0


def test_an_absent_sign_speaks_against_diseases_that_have_it(small):
    long = term(small, "HP:0100002")
    with_it, without = small.disease_position("OMIM:1"), small.disease_position("ORPHA:7")
    frequency, background = small.frequencies(with_it)[long], small.background[long]
    expected = math.log((1 - BELIEF * frequency) / (1 - BELIEF * background))
    assert absent_ratio(small, signs(small, with_it), long).log_ratio == pytest.approx(expected, rel=1e-5)
    assert absent_ratio(small, signs(small, without), long).log_ratio > 0


def test_sex_and_age_count_only_where_known(small):
    scorer, long = Scorer(small), term(small, "HP:0100002")
    plain = scorer.scores(Case((long,)))
    girl = scorer.scores(Case((long,), sex="female"))
    x_linked, late = small.disease_position("OMIM:2"), small.disease_position("OMIM:3")
    assert girl[x_linked] - plain[x_linked] == pytest.approx(math.log(WRONG_SEX))
    assert np.delete(girl - plain, x_linked) == pytest.approx(0)
    assert scorer.scores(Case((long,), sex="male")) == pytest.approx(plain)
    young = scorer.scores(Case((long,), age_years=5.0))
    assert young[late] - plain[late] == pytest.approx(math.log(TOO_YOUNG))
    assert scorer.scores(Case((long,), age_years=39.8)) == pytest.approx(plain)
    assert age_ratio(float("nan"), 1.0) == age_ratio(40.0, None) == 0.0


def test_the_parts_of_a_candidate_add_up_and_name_their_statements(doctor):
    knowledge = doctor.knowledge
    found = ("HP:0001166", "HP:0001083", "HP:0002616")
    case = Case(tuple(term(knowledge, t) for t in found), (term(knowledge, "HP:0001249"),), "female", 15.0)
    differential = Ranker(knowledge).rank(case, top=5)
    assert differential.candidates[0].disease == knowledge.disease_position("OMIM:154700")
    for candidate in differential.candidates:
        assert sum(c.log_ratio for c in candidate.contributions) == pytest.approx(candidate.score, abs=1e-5)
        for part in candidate.speaking_for:
            assert part.kind != "present" or (part.statements and all(s.source for s in part.statements))
        for sign in candidate.expected:
            mentioned = {int(a) for t in case.present for a in knowledge.ontology.ancestors.row(t)}
            assert sign.term not in mentioned and sign.statements


def test_ranks_follow_scores_and_ties_are_said(small):
    ranked = Ranker(small).rank(Case((term(small, "HP:0100004"),)), top=9).candidates
    scores = [candidate.score for candidate in ranked]
    assert scores == sorted(scores, reverse=True)
    for candidate in ranked:
        assert candidate.rank == 1 + sum(s > candidate.score + 1e-6 for s in scores)
        assert candidate.tied == (sum(abs(s - candidate.score) <= 1e-6 for s in scores) > 1)


def test_an_entry_that_repeats_an_omim_disease_by_name_hangs_on_it(small):
    short, long = term(small, "HP:0100003"), term(small, "HP:0100002")
    by_omim = Ranker(small).rank(Case((short,)), top=9).candidates
    by_orpha = Ranker(small).rank(Case((long,)), top=9).candidates
    two, eight = small.disease_position("OMIM:2"), small.disease_position("ORPHA:8")
    assert [c.same_name for c in by_omim if c.disease == two] == [(eight,)]
    assert [c.same_name for c in by_orpha if c.disease == eight] == [(two,)]


def test_nothing_present_ranks_nothing(small):
    differential = Ranker(small).rank(Case(absent=(term(small, "HP:0100002"),)))
    assert differential.candidates == () and differential.insufficient == "no findings"


def test_one_more_specific_finding_never_lowers_its_disease(doctor):
    knowledge, ranker = doctor.knowledge, Ranker(doctor.knowledge)
    wilson = knowledge.disease_position("OMIM:277900")
    case: tuple[int, ...] = ()
    shares_seen = []
    for finding in ("HP:0001394", "HP:0001332", "HP:0010837", "HP:0200032"):
        case = (*case, term(knowledge, finding))
        order, share = ranker.shares(Case(case))
        shares_seen.append(float(share[order.tolist().index(wilson)]))
    assert shares_seen[-1] > 0.5 and shares_seen[-1] == max(shares_seen)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=30), st.integers(1, 40))
def test_shares_sum_to_one_and_keep_the_order(scores: list[float], count: int):
    result = shares(np.array(scores), count)
    assert result.sum() == pytest.approx(1) and (result >= 0).all()
    order = np.argsort(scores)
    assert (np.diff(result[order]) >= -1e-12).all()


def test_more_findings_temper_the_same_scores():
    scores = np.array([10.0, 5.0, 0.0])
    assert shares(scores, 20)[0] < shares(scores, 2)[0]


def test_bands_and_reasons_for_holding_back():
    assert [band(share) for share in (0.6, 0.3, 0.1)] == ["strong", "moderate", "weak"]
    assert insufficient(np.zeros(0), 0) == "no findings"
    assert insufficient(np.array([0.9, 0.1]), 1) == "few findings"
    assert insufficient(np.full(1000, 1e-3), 5) == "unspecific findings"
    assert insufficient(np.full(10, LEAST_SHARE_OF_TEN / 9), 5) is None


def test_information_gain_equals_the_definition():
    weights = np.array([0.5, 0.3, 0.2])
    frequency = np.array([[0.9, 0.5], [0.1, 0.5], [0.2, 0.5]])

    def entropy(p):
        return -sum(x * math.log2(x) for x in p if x > 0)

    gain, probability = information_gain(weights, frequency)
    for sign in range(2):
        present = sum(w * f for w, f in zip(weights, frequency[:, sign], strict=True))
        after = [w * f / present for w, f in zip(weights, frequency[:, sign], strict=True)]
        without = [w * (1 - f) / (1 - present) for w, f in zip(weights, frequency[:, sign], strict=True)]
        expected = entropy(weights) - present * entropy(after) - (1 - present) * entropy(without)
        assert gain[sign] == pytest.approx(expected) and probability[sign] == pytest.approx(present)
    assert gain[1] == pytest.approx(0, abs=1e-12)


def test_questions_ask_what_is_not_settled(doctor):
    knowledge = doctor.knowledge
    case = Case((term(knowledge, "HP:0000421"), term(knowledge, "HP:0001009")), (term(knowledge, "HP:0001250"),))
    questions = next_questions(doctor.ranker, case, count=5)
    assert len(questions) == 5
    assert [q.gain for q in questions] == sorted((q.gain for q in questions), reverse=True)
    ontology = knowledge.ontology
    settled = {int(a) for t in case.present for a in ontology.ancestors.row(t)}
    settled |= {int(d) for t in case.absent for d in ontology.descendants.row(t)}
    assert not settled & {q.term for q in questions}
    assert next_questions(doctor.ranker, Case()) == []
