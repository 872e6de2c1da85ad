"""The phenotype ontology: terms, their names, and who is whose ancestor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.medical.knowledge.obo import Synonym, Term
from apps.medical.knowledge.ragged import Ragged
from core.errors import InternalError, UnknownName

ALL = "HP:0000001"
PHENOTYPIC_ABNORMALITY = "HP:0000118"
_ROOTS = (ALL, PHENOTYPIC_ABNORMALITY)


@dataclass(frozen=True, eq=False)  # compared and hashed by identity
class Ontology:
    """Terms by position. `ancestors` and `descendants` include the term itself and leave the two roots out."""

    version: str
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    synonyms: tuple[tuple[Synonym, ...], ...]
    alternatives: dict[str, str]
    parents: Ragged
    ancestors: Ragged

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def positions(self) -> dict[str, int]:
        return {term_id: position for position, term_id in enumerate(self.ids)}

    @cached_property
    def descendants(self) -> Ragged:
        return self.ancestors.transpose(len(self))[0]

    @cached_property
    def is_phenotype(self) -> NDArray[np.bool_]:
        """Which terms lie below "Phenotypic abnormality"; the others say inheritance, onset, course and so on."""
        below = np.zeros(len(self), bool)
        root = self.positions[PHENOTYPIC_ABNORMALITY]
        tops = [term for term in range(len(self)) if root in self.parents.row(term)]
        for top in tops:
            below[self.descendants.row(top)] = True
        return below

    def current_id(self, term_id: str) -> str | None:
        """`term_id` itself, the term it was merged into, or None where the ontology has neither."""
        return term_id if term_id in self.positions else self.alternatives.get(term_id)

    def position(self, term_id: str) -> int:
        """Where the term is, alternative ids resolved. Raises `UnknownName`."""
        current = self.current_id(term_id)
        if current is None:
            raise UnknownName("phenotype term", term_id, ())
        return self.positions[current]

    def most_specific(self, terms: Iterable[int]) -> list[int]:
        """`terms` without those that another of them implies, order kept."""
        listed = list(dict.fromkeys(terms))
        implied = {int(a) for term in listed for a in self.ancestors.row(term) if a != term}
        return [term for term in listed if term not in implied]

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "ids": self.ids,
            "labels": self.labels,
            "synonyms": [[[s.text, s.scope, s.kind] for s in row] for row in self.synonyms],
            "alternatives": self.alternatives,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], parents: Ragged, ancestors: Ragged) -> Ontology:
        return cls(
            version=data["version"],
            ids=tuple(data["ids"]),
            labels=tuple(data["labels"]),
            synonyms=tuple(tuple(Synonym(*synonym) for synonym in row) for row in data["synonyms"]),
            alternatives=dict(data["alternatives"]),
            parents=parents,
            ancestors=ancestors,
        )


def build_ontology(terms: Sequence[Term], version: str) -> Ontology:
    """Index the terms that are not obsolete. Raises `InternalError` where `is_a` runs in a circle."""
    current = [term for term in terms if not term.obsolete]
    position = {term.id: index for index, term in enumerate(current)}
    alternatives = {alternative: term.id for term in current for alternative in term.alternative_ids}
    alternatives |= {term.id: term.replaced_by for term in terms if term.obsolete and term.replaced_by in position}
    parents = [sorted(position[parent] for parent in term.parents if parent in position) for term in current]
    closures = _closures(parents)
    roots = {position[root] for root in _ROOTS if root in position}
    ancestors = [sorted(closure - roots if index not in roots else {index}) for index, closure in enumerate(closures)]
    return Ontology(
        version=version,
        ids=tuple(term.id for term in current),
        labels=tuple(term.name for term in current),
        synonyms=tuple(term.synonyms for term in current),
        alternatives={key: value for key, value in alternatives.items() if key not in position and value},
        parents=Ragged.from_rows(parents),
        ancestors=Ragged.from_rows(ancestors),
    )


def _closures(parents: Sequence[Sequence[int]]) -> list[set[int]]:
    """Reflexive ancestor sets, parents before children (Kahn 1962)."""
    children: list[list[int]] = [[] for _ in parents]
    waiting = [len(row) for row in parents]
    for child, row in enumerate(parents):
        for parent in row:
            children[parent].append(child)
    closures: list[set[int]] = [{index} for index in range(len(parents))]
    ready = [index for index, count in enumerate(waiting) if count == 0]
    done = 0
    while ready:
        term = ready.pop()
        done += 1
        for child in children[term]:
            closures[child] |= closures[term]
            waiting[child] -= 1
            if waiting[child] == 0:
                ready.append(child)
    if done != len(parents):
        raise InternalError("The ontology's is_a relation runs in a circle.")
    return closures
