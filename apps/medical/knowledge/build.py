"""From the source files to the tables the products read: done once, then kept in the cache."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from apps.medical.knowledge import hpoa, obo
from apps.medical.knowledge.frequencies import counts
from apps.medical.knowledge.hpoa import AnnotationRow
from apps.medical.knowledge.ontology import Ontology, build_ontology
from apps.medical.knowledge.source import SourceFiles

X_LINKED_RECESSIVE = "HP:0001419"
_OTHER_SEX_OPEN_INHERITANCE = frozenset(
    # autosomal dominant and recessive, X-linked dominant, X-linked, mitochondrial: girls may be affected as boys are
    ("HP:0000006", "HP:0000007", "HP:0001423", "HP:0001417", "HP:0001427")
)
EARLIEST_ONSET_YEARS = {
    **dict.fromkeys(("HP:0030674", "HP:0011460", "HP:0011461", "HP:0034197", "HP:0034198", "HP:0034199"), 0.0),
    **dict.fromkeys(("HP:0003577", "HP:0003623", "HP:0410280"), 0.0),  # congenital, neonatal, paediatric
    "HP:0003593": 28 / 365,  # infantile: from 28 days
    "HP:0011463": 1.0,  # childhood
    "HP:0003621": 5.0,  # juvenile
    **dict.fromkeys(("HP:0011462", "HP:0003581", "HP:0025708"), 16.0),  # young adult, adult, early young adult
    "HP:0025709": 19.0,
    "HP:0025710": 25.0,
    "HP:0003596": 40.0,  # middle age
    "HP:0003584": 60.0,  # late
}
_ROMAN = {
    "i": "1",
    "ii": "2",
    "iii": "3",
    "iv": "4",
    "v": "5",
    "vi": "6",
    "vii": "7",
    "viii": "8",
    "ix": "9",
    "x": "10",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One source's word on one sign of one disease, in patients (see `frequencies`), with its printable form."""

    term: int
    seen: float
    examined: float
    source: str
    detail: str
    counted: bool


@dataclass(slots=True)
class DiseaseRecord:
    """All that the annotation file says about one disease."""

    id: str
    name: str
    aliases: list[str] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    inheritance: set[str] = field(default_factory=set)
    onsets: set[str] = field(default_factory=set)

    @property
    def mostly_male(self) -> bool:
        """X-linked recessive and nothing else, so that affected girls are rare."""
        return X_LINKED_RECESSIVE in self.inheritance and not self.inheritance & _OTHER_SEX_OPEN_INHERITANCE

    @property
    def earliest_onset_years(self) -> float:
        """Lower end of the earliest onset class reported; NaN where none is."""
        years = [EARLIEST_ONSET_YEARS[term] for term in self.onsets if term in EARLIEST_ONSET_YEARS]
        return min(years, default=float("nan"))


def read_ontology(files: SourceFiles) -> Ontology:
    """The ontology of `files`, obsolete terms left out."""
    with files.ontology.open(encoding="utf-8") as lines:
        version = obo.read_version(lines)
    with files.ontology.open(encoding="utf-8") as lines:
        return build_ontology(list(obo.read_terms(lines)), version)


def read_diseases(files: SourceFiles, ontology: Ontology) -> list[DiseaseRecord]:
    """Every disease of the annotation file, namesakes merged, ordered by id."""
    with files.annotations.open(encoding="utf-8") as lines:
        return collect_diseases(hpoa.read_annotations(lines), ontology)


def collect_diseases(rows: Iterable[AnnotationRow], ontology: Ontology) -> list[DiseaseRecord]:
    """Group annotation rows by disease; an Orphanet or DECIPHER namesake of one OMIM disease is merged into it."""
    listed = list(rows)
    names = {row.disease: row.disease_name for row in listed}
    home = merged_ids(names)
    records: dict[str, DiseaseRecord] = {}
    for row in listed:
        target = home[row.disease]
        record = records.setdefault(target, DiseaseRecord(target, names[target]))
        if row.disease != target and row.disease not in record.aliases:
            record.aliases.append(row.disease)
        _add(record, row, ontology)
    return [records[key] for key in sorted(records)]


def _add(record: DiseaseRecord, row: AnnotationRow, ontology: Ontology) -> None:
    term_id = ontology.current_id(row.term)
    if term_id is None:
        return  # a term the ontology release no longer has
    term = ontology.positions[term_id]
    if row.aspect == "P" and ontology.is_phenotype[term]:
        seen, examined = counts(row.frequency, row.negated)
        counted = row.frequency.examined > 0 and not row.negated
        record.statements.append(Statement(term, seen, examined, row.source, _detail(row), counted))
    elif row.negated or (row.frequency.examined and not row.frequency.seen):
        return
    elif row.aspect == "I":
        record.inheritance.add(term_id)
    elif row.aspect == "C":
        record.onsets.add(term_id)


def _detail(row: AnnotationRow) -> str:
    if row.negated:
        return "reported not to occur"
    if row.frequency.examined:
        return f"{row.frequency.seen}/{row.frequency.examined} patients"
    if row.frequency.share is not None:
        return f"about {row.frequency.share:.0%} of patients"
    return "frequency not stated"


def merged_ids(names: Mapping[str, str]) -> dict[str, str]:
    """For every disease id the id it is merged into: its only OMIM namesake, else itself.

    Names are compared without case and punctuation, roman numerals as figures. The annotation file has no mapping
    between its three vocabularies, and equal names are the one sign of identity that needs no judgement.
    """
    omim: dict[str, list[str]] = defaultdict(list)
    for disease, name in names.items():
        if disease.startswith("OMIM:"):
            omim[_comparable(name)].append(disease)
    home = {}
    for disease, name in names.items():
        same = omim.get(_comparable(name), [])
        home[disease] = same[0] if not disease.startswith("OMIM:") and len(same) == 1 else disease
    return home


def _comparable(name: str) -> str:
    words = re.sub(r"[^a-z0-9]+", " ", name.lower()).split()
    return " ".join(_ROMAN.get(word, word) if index else word for index, word in enumerate(words))


def disease_arrays(records: list[DiseaseRecord]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """`(mostly_male, earliest_onset_years)`, one entry a disease."""
    male = np.array([record.mostly_male for record in records])
    return male, np.array([record.earliest_onset_years for record in records])
