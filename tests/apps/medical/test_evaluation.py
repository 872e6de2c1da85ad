"""Masking hides what a paper contributed and no more; ranks, readers and suites behave on small inputs."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from apps.medical.case import Case
from apps.medical.diagnosis.likelihood import DiseaseSigns, Scorer
from apps.medical.evaluation import gsc, negex, own_set, phenopackets
from apps.medical.evaluation.published_cases import Masking, PublishedCase, countable, read_cases
from apps.medical.evaluation.suites import suites


def packet(name: str, disease: str, observed: list[str], excluded: list[str] = (), **subject: object) -> dict:  # type: ignore[assignment]
    features = [{"type": {"id": t}} for t in observed] + [{"type": {"id": t}, "excluded": True} for t in excluded]
    return {
        "id": name,
        "subject": subject,
        "phenotypicFeatures": features,
        "interpretations": [{"diagnosis": {"disease": {"id": disease}}}],
        "metaData": {"externalReferences": [{"id": "PMID:11"}]},
    }


@pytest.fixture
def cases(small, tmp_path) -> list[PublishedCase]:
    packets = [
        packet(
            "PMID_11_a",
            "OMIM:1",
            ["HP:0100002", "HP:0100006", "HP:0001419"],
            ["HP:0100003"],
            sex="FEMALE",
            timeAtLastEncounter={"age": {"iso8601duration": "P2Y6M"}},
        ),
        packet("PMID_11_b", "OMIM:1", ["HP:0999999"], ["HP:0100006"]),
        packet("PMID_11_c", "OMIM:404", ["HP:0100002"]),
        packet("PMID_11_d", "OMIM:1", []),
    ]
    path = tmp_path / "cases.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(entry) + "\n" for entry in packets)
    return read_cases(path, small)


def at(small, term_id: str) -> int:
    return small.ontology.position(term_id)


def test_cases_are_read(small, cases):
    first, second = cases[:2]
    assert first.case == Case(
        present=(at(small, "HP:0100002"), at(small, "HP:0100006")),
        absent=(at(small, "HP:0100003"),),
        sex="female",
        age_years=2.5,
    )
    assert first.papers == frozenset(("PMID:11",))
    assert second.case.present == (at(small, "HP:0100002"),) and second.case.age_years is None
    assert [case.id for case in countable(cases)] == ["PMID_11_a", "PMID_11_b"]


def test_masking_takes_out_the_papers_patients_and_no_others(small, cases):
    masking = Masking(small, cases)
    disease = small.disease_position("OMIM:1")
    masked = masking.signs(frozenset(("PMID:11",)), "masked")
    assert set(masked) == {disease}
    long, lens = at(small, "HP:0100002"), at(small, "HP:0100006")
    # PMID:11's own 3/4 is gone; PMID:12's 1/4 and the Orphanet class (5.45 of 10) stay.
    assert masked[disease].frequency[long] == pytest.approx((1 + 5.45 + 0.5) / (4 + 10 + 2))
    # The pooled 5/10 loses one patient with and one without the sign.
    assert masked[disease].frequency[lens] == pytest.approx((4 + 0.5) / (8 + 2))
    strict = masking.signs(frozenset(("PMID:11",)), "strict")[disease]
    assert lens not in strict.frequency and long in strict.frequency
    assert masking.signs(frozenset(("PMID:11",)), "unmasked") == {}


def test_a_paper_nobody_cites_changes_nothing(small, cases):
    assert Masking(small, cases).signs(frozenset(("PMID:404",)), "masked") == {}


def test_ties_take_the_mean_rank(small, cases):
    everything = np.ones(len(small.diseases), bool)
    nothing = {d: DiseaseSigns({}, {}) for d in range(len(small.diseases))}
    case = PublishedCase("x", Case((at(small, "HP:0100002"),)), "OMIM:1", 0, frozenset())
    rank = phenopackets.rank_of_truth(Scorer(small), case, nothing, everything)
    assert rank == (len(small.diseases) + 1) / 2


def test_halves_are_stable_and_both_used(cases):
    made = [PublishedCase("", Case(), f"OMIM:{n}", None, frozenset()).held_out for n in range(200)]
    assert 70 < sum(made) < 130
    assert made == [PublishedCase("", Case(), f"OMIM:{n}", None, frozenset()).held_out for n in range(200)]


def test_negex_rows_point_at_the_capitalised_condition(tmp_path):
    path = tmp_path / "rows.txt"
    path.write_text(
        "n\tcondition\tsentence\tstatus\n1\tfever\tNo fever then, FEVER now.\tAffirmed\n2\tcough\tNothing.\tNegated\n"
    )
    first, second = negex.read_rows(path)
    assert first.span is not None and first.span.start == 15 and not first.denied
    assert second.span is None and second.denied


def test_gold_terms_are_brought_up_to_date(small, tmp_path):
    path = tmp_path / "doc"
    path.write_text("[0::4]\tHP_0999999 | long\n[5::9]\tHP_0001419 | x-linked\nnoise\n")
    assert gsc.gold_terms(path, small.ontology) == {"HP:0100002"}


def test_the_own_set_is_large_bilingual_and_well_formed(doctor):
    items = own_set.load_items()
    assert len(items) >= 60
    assert {item.kind for item in items} == {"assertion", "patient", "diagnosis", "reserve"}
    chinese = sum(any("\u4e00" <= c <= "\u9fff" for c in item.note) for item in items)
    assert 0.4 < chinese / len(items) < 0.6
    labels = set(doctor.knowledge.ontology.labels)
    for item in items:
        assert set(item.expected.get("expect", ())) | set(item.expected.get("none", ())) <= labels
        for disease in item.expected.get("diagnosis", ()):
            assert disease in doctor.knowledge.disease_positions, disease


def test_the_own_suite_does_not_get_worse():
    outcome = own_set.run(None, lambda done, total: None)
    assert outcome.metrics["accuracy"].value >= 0.97, "\n".join(outcome.failures)
    assert outcome.n >= 60


def test_an_own_item_that_fails_says_what_was_expected(doctor):
    wrong = own_set.Item("assertion", "No fever.", {"expect": {"Fever": "present"}})
    assert own_set.check(doctor, wrong) == "Fever should be present, was ['absent']"
    missed = own_set.Item("diagnosis", "Fever and cough.", {"diagnosis": ["OMIM:154700"], "top": 1})
    assert "OMIM:154700 should be among the first 1" in str(own_set.check(doctor, missed))


def test_suites_are_named_and_list_what_they_read():
    named = {suite.name: suite for suite in suites()}
    assert set(named) == {"medical", "phenopackets", "negex", "gsc", "note-fields", "drugs"}
    assert named["medical"].data == () and named["medical"].files
    assert named["phenopackets"].data == ("phenopackets",)


@pytest.mark.data("phenopackets")
def test_published_cases_are_ranked_as_well_as_before():
    metrics = phenopackets.run(300, lambda done, total: None).metrics
    assert metrics["masked_top1"].value > 0.20 and metrics["masked_top10"].value > 0.38
    assert metrics["strict_top1"].value < metrics["masked_top1"].value < metrics["unmasked_top1"].value


@pytest.mark.data("negex")
def test_negation_is_read_as_well_as_before():
    metrics = negex.run(None, lambda done, total: None).metrics
    assert metrics["f1"].value >= 0.95 and metrics["f1_held_out"].value >= 0.93


@pytest.mark.data("gsc_plus")
def test_terms_are_found_as_well_as_before():
    metrics = gsc.run(None, lambda done, total: None).metrics
    assert metrics["f1"].value >= 0.60 and metrics["precision"].value >= 0.85
