"""Published rare-disease cases (GA4GH phenopackets), and hiding from the knowledge base what it knows from them.

The annotation file is curated from the same papers as the cases. Left in, a case's own paper answers for it. Three
protocols:

- unmasked: the knowledge base as it is;
- masked: what the case's own paper contributed is taken out. A statement that cites only this paper goes. A pooled
  statement ("31/39 patients" from nine papers) loses the patients of this paper, counted from the cases of the set
  themselves, and goes where nobody is left;
- strict: every statement that cites the paper goes, also what eight other papers say.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from apps.medical.case import Case, Sex
from apps.medical.diagnosis.likelihood import DiseaseSigns
from apps.medical.knowledge.build import Statement
from apps.medical.knowledge.frequencies import pool, propagate
from apps.medical.knowledge.store import Knowledge

Protocol = Literal["unmasked", "masked", "strict"]
_DURATION = re.compile(r"^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?")
_YEARS_PER_PART = (1.0, 1 / 12, 7 / 365.25, 1 / 365.25)


@dataclass(frozen=True, slots=True)
class PublishedCase:
    """One case. `disease` is the position of its diagnosis, None where the knowledge base does not list it."""

    id: str
    case: Case
    disease_id: str
    disease: int | None
    papers: frozenset[str]

    @property
    def held_out(self) -> bool:
        """Whether its disease is in the half on which no constant was chosen."""
        return int(hashlib.md5(self.disease_id.encode(), usedforsecurity=False).hexdigest(), 16) % 2 == 1


def read_cases(path: Path, knowledge: Knowledge) -> list[PublishedCase]:
    """All cases of a gzipped JSON-lines file of phenopackets."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [_case(json.loads(line), knowledge) for line in lines]


def _case(packet: dict[str, Any], knowledge: Knowledge) -> PublishedCase:
    ontology = knowledge.ontology
    found: dict[bool, list[int]] = {False: [], True: []}
    for feature in packet.get("phenotypicFeatures", ()):
        term = ontology.current_id(feature["type"]["id"])
        if term is not None and ontology.is_phenotype[ontology.positions[term]]:
            found[bool(feature.get("excluded"))].append(ontology.positions[term])
    subject = packet["subject"]
    disease_id = packet["interpretations"][0]["diagnosis"]["disease"]["id"]
    references = {reference["id"] for reference in packet["metaData"].get("externalReferences", ())}
    sex = {"FEMALE": "female", "MALE": "male"}.get(subject.get("sex", ""))
    return PublishedCase(
        id=packet["id"],
        case=Case(
            present=tuple(dict.fromkeys(found[False])),
            absent=tuple(dict.fromkeys(found[True])),
            sex=cast(Sex | None, sex),
            age_years=_years(subject.get("timeAtLastEncounter", {}).get("age", {}).get("iso8601duration", "")),
        ),
        disease_id=disease_id,
        disease=knowledge.disease_positions.get(disease_id),
        papers=frozenset(references | {"PMID:" + packet["id"].split("_")[1]}),
    )


def _years(duration: str) -> float | None:
    match = _DURATION.match(duration)
    if match is None or not any(match.groups()):
        return None
    return sum(int(part or 0) * unit for part, unit in zip(match.groups(), _YEARS_PER_PART, strict=True))


class Masking:
    """Knows which diseases cite which paper, and which patients of the set come from it."""

    def __init__(self, knowledge: Knowledge, cases: Iterable[PublishedCase]) -> None:
        self._knowledge = knowledge
        self._citing: dict[str, set[int]] = defaultdict(set)
        for disease in range(len(knowledge.diseases)):
            at = knowledge.statement_terms.bounds(disease)
            for source in set(knowledge.source_of[at].tolist()):
                for paper in knowledge.sources[source].split(";"):
                    self._citing[paper].add(disease)
        self._own: dict[tuple[str, int, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
        for case in cases:
            for paper in case.papers if case.disease is not None else ():
                self._count(paper, cast(int, case.disease), case.case)

    def _count(self, paper: str, disease: int, case: Case) -> None:
        for terms, seen in ((case.present, 1), (case.absent, 0)):
            for term in terms:
                before = self._own[paper, disease, term]
                self._own[paper, disease, term] = (before[0] + seen, before[1] + 1)

    def signs(self, papers: frozenset[str], protocol: Protocol) -> dict[int, DiseaseSigns]:
        """The signs of every disease that cites one of `papers`, as they are without it."""
        if protocol == "unmasked":
            return {}
        diseases = set().union(*(self._citing.get(paper, set()) for paper in papers))
        return {disease: self._masked(disease, papers, protocol) for disease in diseases}

    def _masked(self, disease: int, papers: frozenset[str], protocol: Protocol) -> DiseaseSigns:
        statements = self._knowledge.statements(disease)
        kept = [left for s in statements if (left := self._without(s, disease, papers, protocol))]
        pooled = pool(kept)
        return DiseaseSigns.of(pooled, propagate(pooled, self._knowledge.ontology.ancestors))

    def _without(
        self, statement: Statement, disease: int, papers: frozenset[str], protocol: Protocol
    ) -> tuple[int, float, float] | None:
        cited = set(statement.source.split(";"))
        term, seen, examined = statement.term, statement.seen, statement.examined
        if not cited & papers:
            return term, seen, examined
        if protocol == "strict" or cited <= papers:
            return None
        if not statement.counted:
            return term, seen, examined
        own = [self._own.get((paper, disease, term), (0, 0)) for paper in papers]
        seen -= sum(count[0] for count in own)
        examined -= sum(count[1] for count in own)
        return (term, min(seen, examined), examined) if examined > 0 and seen >= 0 else None


def countable(cases: Sequence[PublishedCase]) -> list[PublishedCase]:
    """Cases that can be got right at all: the diagnosis is in the knowledge base, and something was observed."""
    return [case for case in cases if case.disease is not None and case.case.present]
