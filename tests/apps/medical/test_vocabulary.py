"""The lexicons name real signs and diseases, each word one sign; the public labels never override ours."""

from __future__ import annotations

from collections import defaultdict

import pytest

from apps.medical.knowledge import vocabulary
from apps.medical.knowledge.names import Names
from apps.medical.knowledge.vocabulary import build_dictionary, disagreement, disease_names_zh, read_lexicon, zh_labels
from core.errors import InternalError
from core.extraction import tokenise


@pytest.mark.parametrize("name", ["zh", "en"])
def test_every_id_is_a_current_phenotype_term(doctor, name: str):
    ontology = doctor.knowledge.ontology
    for entry in read_lexicon(name):
        assert entry.id in ontology.positions, f"{entry.id} {entry.label} is unknown or obsolete"
        assert ontology.is_phenotype[ontology.positions[entry.id]], f"{entry.id} {entry.label} is no sign"


@pytest.mark.parametrize("name", ["zh", "en", "diseases_zh"])
def test_no_word_stands_for_two_ids(name: str):
    owners = defaultdict(set)
    for entry in read_lexicon(name):
        for word in (entry.label, *entry.synonyms):
            owners[tuple(token.norm for token in tokenise(word))].add(entry.id)
    assert {word: ids for word, ids in owners.items() if len(ids) > 1} == {}


def test_the_english_column_is_the_ontologys_label(doctor):
    ontology = doctor.knowledge.ontology
    for name in ("zh", "en"):
        lines = (vocabulary.LEXICON / f"{name}.tsv").read_text(encoding="utf-8").splitlines()[1:]
        for line in lines:
            term_id, english = line.split("\t")[:2]
            assert ontology.labels[ontology.positions[term_id]] == english


def test_the_chinese_lexicon_is_large_and_chinese():
    entries = read_lexicon("zh")
    assert len(entries) >= 500
    for entry in entries:
        assert any("\u4e00" <= c <= "\u9fff" for c in entry.label), entry.label
        assert all(len(word) >= 2 for word in (entry.label, *entry.synonyms)), entry


def test_disease_names_are_of_listed_diseases(doctor):
    for disease in disease_names_zh():
        assert disease in doctor.knowledge.diseases


def test_ambiguous_words_and_places_are_not_findings(doctor):
    english = build_dictionary(doctor.knowledge.ontology, "en")
    found = english.find("ASD, a mole, the fever clinic and spinning; ALL children")
    assert [match.code for match in found if match.code != vocabulary.NOT_A_FINDING] == []
    chinese = build_dictionary(doctor.knowledge.ontology, "zh")
    assert {match.code for match in chinese.find("发热门诊、疼痛科")} == {vocabulary.NOT_A_FINDING}


def test_a_broken_lexicon_is_noticed(monkeypatch, tmp_path):
    monkeypatch.setattr(vocabulary, "LEXICON", tmp_path)
    (tmp_path / "zh.tsv").write_text("HP:1\tx\t甲\n", encoding="utf-8")
    with pytest.raises(InternalError, match="columns"):
        read_lexicon("zh")
    (tmp_path / "zh.tsv").write_text("HP:1\tx\t甲乙\t\nHP:1\ty\t丙丁\t\n", encoding="utf-8")
    with pytest.raises(InternalError, match="twice"):
        read_lexicon("zh")


def test_names_fall_back_to_english(doctor):
    names, knowledge = Names(doctor.knowledge, "zh"), doctor.knowledge
    assert names.term(knowledge.ontology.position("HP:0001250")) == "癫痫发作"
    assert names.disease(knowledge.disease_position("OMIM:277900")) == "肝豆状核变性（威尔逊病） / Wilson disease"
    unnamed = knowledge.disease_position("OMIM:619340")
    assert names.disease(unnamed) == knowledge.names[unnamed]


@pytest.mark.parametrize(
    ("chinese", "english", "word"),
    [
        ("肺结核", "Lung fibrosis", "结核"),
        ("右侧肾囊肿", "Left renal cyst", "右"),
        ("闭眼困难", "Difficulty opening the eyes", "闭"),
        ("囊肿", "Kidney cyst", "肾"),
        ("肾囊肿", "Renal cyst", None),
        ("血糖升高", "Elevated blood glucose", None),
    ],
)
def test_a_translation_that_disagrees_with_its_source_is_noticed(chinese: str, english: str, word: str | None):
    assert disagreement(chinese, english) == word


@pytest.mark.data("hpo_zh")
def test_official_labels_fill_gaps_and_never_contradict_ours():
    zh_labels.cache_clear()
    labels = zh_labels()
    assert labels["HP:0001250"] == "癫痫发作"
    assert len(labels) > 10_000
    words = {word: entry.id for entry in read_lexicon("zh") for word in (entry.label, *entry.synonyms)}
    for term_id, label in labels.items():
        assert words.get(label, term_id) == term_id


@pytest.mark.data("hpo_zh")
def test_official_names_are_shown_with_the_english_ones(doctor):
    zh_labels.cache_clear()
    knowledge, ours = doctor.knowledge, {entry.id for entry in read_lexicon("zh")}
    term_id = next(t for t in zh_labels() if t not in ours and t in knowledge.ontology.positions)
    shown = Names(knowledge, "zh").term(knowledge.ontology.positions[term_id])
    assert shown == f"{zh_labels()[term_id]} / {knowledge.ontology.labels[knowledge.ontology.positions[term_id]]}"
