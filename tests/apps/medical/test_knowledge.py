"""Pooling, propagation, merging, the cache, and the real release's shape."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.medical.knowledge import store
from apps.medical.knowledge.frequencies import Occurrence, counts, pool, propagate
from apps.medical.knowledge.graph import HAS_SIGN, LACKS_SIGN, knowledge_graph
from apps.medical.knowledge.hpoa import Frequency
from apps.medical.knowledge.names import Names, family_key
from apps.medical.knowledge.obo import Term
from apps.medical.knowledge.ontology import build_ontology
from apps.medical.knowledge.ragged import Ragged
from apps.medical.knowledge.store import open_knowledge
from core.config import settings
from core.errors import InternalError, UnknownName


def at(knowledge, term_id: str) -> int:
    return knowledge.ontology.position(term_id)


def test_ancestors_include_the_term_and_leave_the_roots_out(small):
    ontology = small.ontology
    names = {ontology.labels[t] for t in ontology.ancestors.row(at(small, "HP:0100006"))}
    assert names == {"Very cloudy lens", "Cloudy lens", "Abnormality of the eye"}
    below = {ontology.labels[t] for t in ontology.descendants.row(at(small, "HP:0100004"))}
    assert below == {"Very cloudy lens", "Cloudy lens", "Abnormality of the eye"}
    assert ontology.is_phenotype[at(small, "HP:0100006")] and not ontology.is_phenotype[at(small, "HP:0001419")]


def test_merged_and_obsolete_ids_are_resolved(small):
    assert small.ontology.current_id("HP:0999999") == "HP:0100002"
    assert small.ontology.current_id("HP:0100007") == "HP:0100005"
    assert small.ontology.current_id("HP:7") is None
    with pytest.raises(UnknownName):
        small.ontology.position("HP:7")


def test_only_the_most_specific_signs_are_kept(small):
    terms = [at(small, i) for i in ("HP:0100004", "HP:0100006", "HP:0100002", "HP:0100002")]
    assert small.ontology.most_specific(terms) == [at(small, "HP:0100006"), at(small, "HP:0100002")]


def test_a_circle_in_the_ontology_is_refused():
    with pytest.raises(InternalError, match="circle"):
        build_ontology([Term("HP:1", "a", parents=("HP:2",)), Term("HP:2", "b", parents=("HP:1",))], "x")


def test_statements_become_patients():
    assert counts(Frequency(3, 7), negated=False) == (3, 7)
    assert counts(Frequency(share=0.45), negated=False) == (4.5, 10)
    assert counts(Frequency(), negated=False) == (1, 2)
    assert counts(Frequency(), negated=True) == (0, 10)


def test_papers_are_pooled_and_smoothed(small):
    disease = small.disease_position("OMIM:1")
    pooled = small.occurrences(disease)[at(small, "HP:0100002")]
    # 3/4 and 1/4 of two papers, and about 54.5 % of the merged Orphanet namesake's ten
    assert pooled.seen == pytest.approx(3 + 1 + 5.45) and pooled.examined == 4 + 4 + 10
    assert pooled.frequency == pytest.approx((9.45 + 0.5) / 20)


def test_negative_statements_exclude_and_imply_nothing(small):
    longfinger, lens = small.disease_position("OMIM:1"), small.disease_position("OMIM:3")
    assert small.occurrences(longfinger)[at(small, "HP:0100003")].excluded  # NOT
    assert small.occurrences(lens)[at(small, "HP:0100002")].excluded  # 0/6
    assert at(small, "HP:0100003") not in small.frequencies(longfinger)
    assert at(small, "HP:0100001") not in small.frequencies(lens)
    unrelated = small.disease_position("ORPHA:7")  # class "excluded", under an obsolete id
    assert small.occurrences(unrelated)[at(small, "HP:0100005")].excluded and not small.frequencies(unrelated)


def test_propagation_is_a_noisy_or(small):
    ancestors = small.ontology.ancestors
    long, short, limb = (at(small, i) for i in ("HP:0100002", "HP:0100003", "HP:0100001"))
    implied = propagate({long: Occurrence(2, 2), short: Occurrence(1, 2), limb: Occurrence(0, 4)}, ancestors)
    assert implied[long] == pytest.approx(2.5 / 4) and implied[short] == pytest.approx(1.5 / 4)
    assert implied[limb] == pytest.approx(1 - (1 - 2.5 / 4) * (1 - 1.5 / 4))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(1, 9)), max_size=12))
def test_pooled_frequencies_stay_between_zero_and_one(rows):
    for occurrence in pool((t, min(s, n), n) for t, s, n in rows).values():
        assert 0 < occurrence.frequency < 1
        assert occurrence.excluded == (occurrence.seen == 0)


def test_tables_by_term_and_by_disease_agree(small):
    for term in range(len(small.ontology)):
        bounds = small.by_term.bounds(term)
        for disease, value in zip(small.by_term.row(term), small.by_term_frequency[bounds], strict=True):
            assert small.frequencies(int(disease))[term] == pytest.approx(float(value))
        column = [small.frequencies(d).get(term, 0.0) for d in range(len(small.diseases))]
        assert small.background[term] == pytest.approx(max(1e-4, np.mean(column)), rel=1e-5)
        holders = max(1, sum(value > 0 for value in column))
        assert small.information[term] == pytest.approx(-math.log(holders / len(small.diseases)))


def test_a_namesake_is_merged_and_found_by_its_own_id(small):
    disease = small.disease_position("ORPHA:9")
    assert small.diseases[disease] == "OMIM:1" and small.aliases[disease] == ("ORPHA:9",)
    assert "ORPHA:8" in small.diseases  # "Shortfinger disease" is not "Shortfinger disease 1"


def test_inheritance_and_onset_are_read(small):
    two, three = small.disease_position("OMIM:2"), small.disease_position("OMIM:3")
    assert small.mostly_male[two] and not small.mostly_male[three]
    assert small.earliest_onset_years[three] == 40 and math.isnan(small.earliest_onset_years[two])


def test_statements_keep_their_sources(small):
    (statement,) = [
        s for s in small.statements(small.disease_position("OMIM:1")) if "PMID:12" in s.source and ";" in s.source
    ]
    assert statement.source == "PMID:11;PMID:12" and statement.detail == "5/10 patients" and statement.counted


def test_the_cache_is_used_and_rebuilt_when_the_files_change(small_files, tmp_path, fresh_settings, monkeypatch):
    first = open_knowledge(small_files)
    (folder,) = (settings().cache_dir / "medical").iterdir()
    monkeypatch.setattr(store, "_build", lambda *_: pytest.fail("built again"))
    store._open.cache_clear()
    assert open_knowledge(small_files).diseases == first.diseases
    monkeypatch.undo()
    monkeypatch.setenv("TRIVIUM_CACHE_DIR", str(folder.parent.parent))
    settings.cache_clear()
    changed = tmp_path / "changed.hpoa"
    changed.write_text(small_files.annotations.read_text().replace("3/4", "2/4"), encoding="utf-8")
    again = open_knowledge(type(small_files)(small_files.ontology, changed))
    assert again.content_hash != first.content_hash
    assert len(list(folder.parent.iterdir())) == 2


def test_an_interrupted_build_leaves_nothing(small_files, fresh_settings, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(store, "write_tables", fail)
    with pytest.raises(OSError, match="disk full"):
        open_knowledge(small_files)
    assert list((settings().cache_dir / "medical").iterdir()) == []


def test_ragged_transpose_is_its_own_inverse():
    rows = Ragged.from_rows([[1, 2], [], [2, 0, 1]])
    columns, order = rows.transpose(3)
    assert [columns.row(i).tolist() for i in range(3)] == [[2], [0, 2], [0, 2]]
    assert rows.values[order].tolist() == [0, 1, 1, 2, 2]
    back, _ = columns.transpose(3)
    assert [sorted(back.row(i).tolist()) for i in range(3)] == [[1, 2], [], [0, 1, 2]]


def test_family_keys_tell_names_from_numbers():
    assert family_key("Friedreich ataxia 1")[0] == family_key("Friedreich ataxia")[0]
    assert family_key("Telangiectasia, hereditary hemorrhagic, type II") == (
        ("hemorrhagic", "hereditary", "telangiectasia"),
        ("ii",),
    )


def test_the_graph_names_a_source_for_every_edge(small):
    graph = knowledge_graph(small, Names(small, "en"), [small.disease_position("OMIM:1")])
    edges = {(e.predicate, e.object): e for e in graph.edges(subject="OMIM:1")}
    assert edges[HAS_SIGN, "HP:0100002"].sources == ("PMID:11", "PMID:12", "ORPHA:9")
    assert edges[LACKS_SIGN, "HP:0100003"].detail == "reported not to occur"
    (path,) = graph.shortest_paths("OMIM:1", "HP:0100004", limit=1)
    assert [step.edge.object for step in path] == ["HP:0100006", "HP:0100005", "HP:0100004"]


def test_the_real_release_has_the_expected_shape(doctor):
    knowledge = doctor.knowledge
    assert knowledge.release == "2025-01-16"
    assert sum(d.startswith("OMIM:") for d in knowledge.diseases) > 8_000
    marfan = knowledge.disease_position("OMIM:154700")
    assert knowledge.disease_position("ORPHA:558") == marfan
    lens = knowledge.frequencies(marfan)[at(knowledge, "HP:0001083")]
    assert 0.4 < lens < 0.9
    assert any("PMID:" in s.source for s in knowledge.statements(marfan))
