"""The knowledge base: built once from the source files, then memory-mapped from the cache.

The cache folder is named by the content of the source files and of the code that builds it, and appears in one step,
so a half-built or outdated one is never read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.medical.knowledge import build, frequencies, hpoa, obo, ontology, ragged
from apps.medical.knowledge.build import DiseaseRecord, Statement
from apps.medical.knowledge.frequencies import Occurrence, background, information_content, pool, propagate
from apps.medical.knowledge.ontology import Ontology
from apps.medical.knowledge.ragged import Ragged
from apps.medical.knowledge.source import SourceFiles, packaged_files
from core.config import settings
from core.errors import UnknownName
from core.files import sha256_of
from core.progress import ProgressCallback, ProgressLine

_BUILDERS = (build, frequencies, hpoa, obo, ontology, ragged)


@dataclass(frozen=True, eq=False)  # compared and hashed by identity
class Knowledge:
    """Ontology, diseases and their frequency tables.

    Attributes:
        diseases: ids, sorted; `names` and `aliases` (merged ids) run parallel.
        statement_terms: disease → terms of its statements; `seen`, `examined`, `source_of`, `detail_of`, `counted`
            run parallel to its values.
        implied: disease → terms its signs imply; `implied_frequency` (float32) runs parallel.
        by_term: term → diseases that imply it; `by_term_frequency` runs parallel.
        excluded_by_term: term → diseases stated not to have it (and implying nothing below it);
            `excluded_frequency` runs parallel.
        background, information: `(terms,)`, see `frequencies`.
    """

    ontology: Ontology
    release: str
    content_hash: str
    diseases: tuple[str, ...]
    names: tuple[str, ...]
    aliases: tuple[tuple[str, ...], ...]
    sources: tuple[str, ...]
    details: tuple[str, ...]
    statement_terms: Ragged
    seen: NDArray[np.float32]
    examined: NDArray[np.float32]
    source_of: NDArray[np.int32]
    detail_of: NDArray[np.int32]
    counted: NDArray[np.bool_]
    implied: Ragged
    implied_frequency: NDArray[np.float32]
    by_term: Ragged
    by_term_frequency: NDArray[np.float32]
    excluded_by_term: Ragged
    excluded_frequency: NDArray[np.float32]
    background: NDArray[np.float64]
    information: NDArray[np.float64]
    mostly_male: NDArray[np.bool_]
    earliest_onset_years: NDArray[np.float64]

    @cached_property
    def disease_positions(self) -> dict[str, int]:
        """Position by id, merged ids included."""
        known = {disease: index for index, disease in enumerate(self.diseases)}
        return known | {alias: index for index, row in enumerate(self.aliases) for alias in row}

    def disease_position(self, disease: str) -> int:
        """Raises `UnknownName`."""
        position = self.disease_positions.get(disease)
        if position is None:
            raise UnknownName("disease", disease, ())
        return position

    def statements(self, disease: int) -> list[Statement]:
        """Every statement about `disease`, in file order."""
        bounds = self.statement_terms.bounds(disease)
        return [
            Statement(
                term=int(self.statement_terms.values[at]),
                seen=float(self.seen[at]),
                examined=float(self.examined[at]),
                source=self.sources[self.source_of[at]],
                detail=self.details[self.detail_of[at]],
                counted=bool(self.counted[at]),
            )
            for at in range(bounds.start, bounds.stop)
        ]

    def occurrences(self, disease: int) -> dict[int, Occurrence]:
        """Pooled occurrence of every sign stated for `disease`, exclusions included."""
        bounds = self.statement_terms.bounds(disease)
        terms = self.statement_terms.values[bounds].tolist()
        return pool(zip(terms, self.seen[bounds].tolist(), self.examined[bounds].tolist(), strict=True))

    def frequencies(self, disease: int) -> dict[int, float]:
        """Frequency of every term `disease` implies."""
        bounds = self.implied.bounds(disease)
        return dict(zip(self.implied.values[bounds].tolist(), self.implied_frequency[bounds].tolist(), strict=True))


def open_knowledge(files: SourceFiles | None = None, progress: ProgressCallback | None = None) -> Knowledge:
    """The knowledge base of `files` (the packaged ones by default), built on first use (about 5 s)."""
    files = files or packaged_files()
    content_hash = _key(files)
    folder = settings().cache_dir / "medical" / f"knowledge-{content_hash[:16]}"
    return _open(files, content_hash, folder, progress)


@lru_cache(maxsize=2)
def _open(files: SourceFiles, content_hash: str, folder: Path, progress: ProgressCallback | None) -> Knowledge:
    if not folder.is_dir():
        _build(files, folder, progress or ProgressLine("Building the medical knowledge base"))
    return _load(folder, content_hash)


def _key(files: SourceFiles) -> str:
    """Content hash of the sources and of the modules that turn them into tables."""
    code = "".join(sha256_of(str(module.__file__)) for module in _BUILDERS) + sha256_of(__file__)
    return hashlib.sha256(f"{files.content_hash()}{code}".encode()).hexdigest()


def _build(files: SourceFiles, folder: Path, progress: ProgressCallback) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        progress(0, 4)
        terms = build.read_ontology(files)
        progress(1, 4)
        records = build.read_diseases(files, terms)
        progress(2, 4)
        with files.annotations.open(encoding="utf-8") as lines:
            release = hpoa.read_version(lines)
        write_tables(temporary, terms, records, release)
        progress(4, 4)
        try:
            os.rename(temporary, folder)
        except OSError:
            if not folder.is_dir():  # where it is, another process was faster and its tables are the same
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_tables(folder: Path, terms: Ontology, records: list[DiseaseRecord], release: str) -> None:
    """Compute every table and write it into `folder`."""
    terms.parents.save(folder, "parents")
    terms.ancestors.save(folder, "ancestors")
    statements = [statement for record in records for statement in record.statements]
    sources = sorted({statement.source for statement in statements})
    details = sorted({statement.detail for statement in statements})
    source_at = {source: index for index, source in enumerate(sources)}
    detail_at = {detail: index for index, detail in enumerate(details)}
    Ragged.from_rows([[s.term for s in record.statements] for record in records]).save(folder, "statement_terms")
    implied = [_implied(record, terms) for record in records]
    by_disease = Ragged.from_rows([list(row) for row in implied])
    values = np.array([value for row in implied for value in row.values()], np.float32)
    by_term, order = by_disease.transpose(len(terms))
    by_disease.save(folder, "implied")
    by_term.save(folder, "by_term")
    excluded = [_excluded(record, row) for record, row in zip(records, implied, strict=True)]
    excluded_by_term, excluded_order = Ragged.from_rows([list(row) for row in excluded]).transpose(len(terms))
    excluded_by_term.save(folder, "excluded_by_term")
    excluded_values = np.array([value for row in excluded for value in row.values()], np.float32)
    male, onset = build.disease_arrays(records)
    arrays = {
        "seen": np.array([s.seen for s in statements], np.float32),
        "examined": np.array([s.examined for s in statements], np.float32),
        "source_of": np.array([source_at[s.source] for s in statements], np.int32),
        "detail_of": np.array([detail_at[s.detail] for s in statements], np.int32),
        "counted": np.array([s.counted for s in statements]),
        "implied_frequency": values,
        "by_term_frequency": values[order],
        "excluded_frequency": excluded_values[excluded_order],
        "background": background(by_term, values[order], len(records)),
        "information": information_content(by_term, len(records)),
        "mostly_male": male,
        "earliest_onset_years": onset,
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    texts = {
        "ontology": terms.to_json(),
        "release": release,
        "diseases": [record.id for record in records],
        "names": [record.name for record in records],
        "aliases": [record.aliases for record in records],
        "sources": sources,
        "details": details,
    }
    (folder / "texts.json").write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")


def _implied(record: DiseaseRecord, terms: Ontology) -> dict[int, float]:
    return dict(
        sorted(propagate(pool((s.term, s.seen, s.examined) for s in record.statements), terms.ancestors).items())
    )


def _excluded(record: DiseaseRecord, implied: dict[int, float]) -> dict[int, float]:
    pooled = pool((s.term, s.seen, s.examined) for s in record.statements)
    return {term: o.frequency for term, o in sorted(pooled.items()) if o.excluded and term not in implied}


def _load(folder: Path, content_hash: str) -> Knowledge:
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    parents, ancestors = Ragged.load(folder, "parents"), Ragged.load(folder, "ancestors")

    def array(name: str) -> Any:
        return np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)

    return Knowledge(
        ontology=Ontology.from_json(texts["ontology"], parents, ancestors),
        release=texts["release"],
        content_hash=content_hash,
        diseases=tuple(texts["diseases"]),
        names=tuple(texts["names"]),
        aliases=tuple(tuple(row) for row in texts["aliases"]),
        sources=tuple(texts["sources"]),
        details=tuple(texts["details"]),
        statement_terms=Ragged.load(folder, "statement_terms"),
        seen=array("seen"),
        examined=array("examined"),
        source_of=array("source_of"),
        detail_of=array("detail_of"),
        counted=array("counted"),
        implied=Ragged.load(folder, "implied"),
        implied_frequency=array("implied_frequency"),
        by_term=Ragged.load(folder, "by_term"),
        by_term_frequency=array("by_term_frequency"),
        excluded_by_term=Ragged.load(folder, "excluded_by_term"),
        excluded_frequency=array("excluded_frequency"),
        background=array("background"),
        information=array("information"),
        mostly_male=array("mostly_male"),
        earliest_onset_years=array("earliest_onset_years"),
    )
