"""A tiny ontology with diseases of our own invention, and the real knowledge base."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.medical.analysis import Diagnostician, diagnostician
from apps.medical.knowledge.source import SourceFiles
from apps.medical.knowledge.store import Knowledge, open_knowledge
from core.config import settings

OBO = """format-version: 1.2
data-version: hp/releases/test

[Term]
id: HP:0000001
name: All

[Term]
id: HP:0000118
name: Phenotypic abnormality
is_a: HP:0000001 ! All

[Term]
id: HP:0000005
name: Mode of inheritance
is_a: HP:0000001 ! All

[Term]
id: HP:0001419
name: X-linked recessive inheritance
is_a: HP:0000005 ! Mode of inheritance

[Term]
id: HP:0003596
name: Middle age onset
is_a: HP:0000001 ! All

[Term]
id: HP:0100001
name: Abnormality of the limb
is_a: HP:0000118 ! Phenotypic abnormality

[Term]
id: HP:0100002
name: Long fingers
alt_id: HP:0999999
synonym: "Lengthy fingers" EXACT layperson []
synonym: "LF" EXACT abbreviation []
is_a: HP:0100001 ! Abnormality of the limb

[Term]
id: HP:0100003
name: Short fingers
is_a: HP:0100001 ! Abnormality of the limb

[Term]
id: HP:0100004
name: Abnormality of the eye
is_a: HP:0000118 ! Phenotypic abnormality

[Term]
id: HP:0100005
name: Cloudy lens
is_a: HP:0100004 ! Abnormality of the eye

[Term]
id: HP:0100006
name: Very cloudy lens
is_a: HP:0100005 ! Cloudy lens

[Term]
id: HP:0100007
name: obsolete Murky lens
is_obsolete: true
replaced_by: HP:0100005

[Typedef]
id: part_of
name: part of
"""
_COLUMNS = (
    "database_id disease_name qualifier hpo_id reference evidence onset frequency sex modifier aspect biocuration"
)
_ROWS = (
    # disease, name, qualifier, term, reference, frequency, aspect
    ("OMIM:1", "Longfinger syndrome", "", "HP:0100002", "PMID:11", "3/4", "P"),
    ("OMIM:1", "Longfinger syndrome", "", "HP:0100002", "PMID:12", "1/4", "P"),
    ("OMIM:1", "Longfinger syndrome", "", "HP:0100006", "PMID:11;PMID:12", "5/10", "P"),
    ("OMIM:1", "Longfinger syndrome", "NOT", "HP:0100003", "PMID:12", "", "P"),
    ("OMIM:2", "Shortfinger disease 1", "", "HP:0100003", "PMID:13", "45%", "P"),
    ("OMIM:2", "Shortfinger disease 1", "", "HP:0100005", "OMIM:2", "", "P"),
    ("OMIM:2", "Shortfinger disease 1", "", "HP:0001419", "OMIM:2", "", "I"),
    ("OMIM:3", "Cloudy lens of middle age", "", "HP:0100005", "PMID:14", "HP:0040281", "P"),
    ("OMIM:3", "Cloudy lens of middle age", "", "HP:0100002", "PMID:14", "0/6", "P"),
    ("OMIM:3", "Cloudy lens of middle age", "", "HP:0003596", "PMID:14", "2/2", "C"),
    ("ORPHA:9", "LONGFINGER SYNDROME", "", "HP:0100002", "ORPHA:9", "HP:0040282", "P"),
    ("ORPHA:8", "Shortfinger disease", "", "HP:0999999", "ORPHA:8", "HP:0040283", "P"),
    ("ORPHA:7", "Unrelated disease", "", "HP:0100007", "ORPHA:7", "HP:0040285", "P"),
)


def hpoa_text() -> str:
    lines = ["#description: test", "#version: test-release", "\t".join(_COLUMNS.split())]
    for disease, name, qualifier, term, reference, frequency, aspect in _ROWS:
        cells = (disease, name, qualifier, term, reference, "PCS", "", frequency, "", "", aspect, "us")
        lines.append("\t".join(cells))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def small_files(tmp_path_factory: pytest.TempPathFactory) -> SourceFiles:
    folder = tmp_path_factory.mktemp("hpo")
    files = SourceFiles(folder / "hp.obo", folder / "phenotype.hpoa")
    files.ontology.write_text(OBO, encoding="utf-8")
    files.annotations.write_text(hpoa_text(), encoding="utf-8")
    return files


@pytest.fixture(scope="session")
def small(small_files: SourceFiles, tmp_path_factory: pytest.TempPathFactory) -> Knowledge:
    """The knowledge base of the tiny files, in a cache of its own."""
    patch = pytest.MonkeyPatch()
    patch.setenv("TRIVIUM_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    settings.cache_clear()
    try:
        return open_knowledge(small_files)
    finally:
        patch.undo()
        settings.cache_clear()


@pytest.fixture(scope="session")
def doctor() -> Diagnostician:
    """The real one, on the packaged knowledge base."""
    return diagnostician()


@pytest.fixture(scope="session")
def samples() -> dict[str, str]:
    folder = Path(__file__).parents[3] / "apps" / "medical" / "samples"
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.txt"))}
