"""Reports say where everything came from, in both languages, and let nothing of a note become markup."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from apps.medical.report import build_sheet, to_plain_data
from apps.medical.report.brief import brief_report
from apps.medical.report.evidence_graph import MAX_NODES, evidence_graph, paths_to
from apps.medical.report.wording import Wording, factor, texts
from core.graph import path_as_text
from core.report import to_html, to_markdown, to_text

DISCLAIMERS = {"en": "not a medical device", "zh": "不是医疗器械"}


def test_every_text_is_in_both_languages_with_the_same_places():
    for key, by_language in texts().items():
        assert set(by_language) == {"en", "zh"}, key
        assert by_language["en"].count("{") == by_language["zh"].count("{"), key


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_form_carries_the_disclaimer_and_the_evidence(doctor, samples, language):
    for name, text in samples.items():
        diagnosis = doctor.diagnose(name, doctor.read(text))
        sheet = build_sheet(doctor, diagnosis, language)
        data = json.dumps(to_plain_data(doctor, diagnosis, language), ensure_ascii=False)
        for report in (
            to_text(sheet),
            to_markdown(sheet),
            to_html(sheet),
            data,
            brief_report(doctor, diagnosis, language),
        ):
            assert DISCLAIMERS[language] in report
            if diagnosis.differential.insufficient is None:
                assert "PMID" in report


def test_json_is_complete_and_adds_up(doctor, samples):
    diagnosis = doctor.diagnose("note", doctor.read(samples["tall-teenager-en.txt"]))
    data = to_plain_data(doctor, diagnosis, "en")
    assert json.loads(json.dumps(data)) == data
    assert data["patient"] == {"age_years": data["patient"]["age_years"], "sex": data["patient"]["sex"]}
    text = samples["tall-teenager-en.txt"]
    for finding in data["findings"]:
        assert text[slice(*finding["span"])] == finding["text"]
    best = data["differential"][0]
    assert best["id"] == "OMIM:154700" and "ORPHA:558" in best["other_ids"]
    parts = [part["log_likelihood_ratio"] for part in (*best["for"], *best["against"])]
    assert sum(parts) == pytest.approx(best["log_likelihood_ratio"], abs=0.01)
    sources = [source for part in best["for"] for s in part["statements"] for source in s["sources"]]
    assert any(source.startswith("PMID:") for source in sources)


class Tags(HTMLParser):
    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.feed(markup)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)


def test_a_hostile_note_stays_text(doctor):
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)> **bold** [link](http://evil) | cell"
    diagnosis = doctor.diagnose(hostile, doctor.read(f"{hostile} The patient has seizures and ataxia {hostile}"))
    sheet = build_sheet(doctor, diagnosis, "en")
    assert Tags(to_html(sheet)).tags.isdisjoint({"script", "img", "a"})
    markdown = to_markdown(sheet)
    assert "[link](" not in markdown and "<script>" not in markdown and "**bold**" not in markdown


def test_a_note_without_findings_says_so_and_ranks_nothing(doctor):
    diagnosis = doctor.diagnose("visit", doctor.read("Routine visit. All well."))
    report = to_text(build_sheet(doctor, diagnosis, "en"))
    assert "No sign of the phenotype ontology was found" in report and "Differential" not in report


def test_a_note_of_denials_says_that_nothing_can_be_ranked(doctor):
    diagnosis = doctor.diagnose("visit", doctor.read("No fever, no cough."))
    report = to_text(build_sheet(doctor, diagnosis, "en"))
    assert "states no finding that the patient has" in report and "\n1. " not in report


def test_factors_are_readable():
    assert [factor(x) for x in (0.0, 2.31, -2.31, 0.4, -0.05)] == ["×1.00", "×10", "÷10", "×1.5", "÷1.05"]


def test_the_graph_shows_the_way_from_the_patient_to_the_disease(doctor, samples):
    for name, text in samples.items():
        diagnosis = doctor.diagnose(name, doctor.read(text), top=2)
        for candidate in diagnosis.differential.candidates:
            say = Wording(doctor, "zh")
            graph = evidence_graph(say, diagnosis, candidate)
            assert len(graph) <= MAX_NODES
            for path in paths_to(say, graph, candidate):
                line = path_as_text(graph, path)
                assert line.startswith(name) and say.names.disease(candidate.disease) in line
                assert path[0].edge.sources[0].startswith("[")
