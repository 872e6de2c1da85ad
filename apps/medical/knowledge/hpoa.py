"""Reading disease annotations (`phenotype.hpoa`): which sign was reported in which disease, how often, and where.

One row is one statement of one source. Statements of several papers about the same sign are pooled in
`frequencies`; this module only reads. Column meanings: HPO annotation format, hpo-annotation-qc documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core.errors import InternalError

FREQUENCY_CLASSES = {
    "HP:0040280": 1.0,  # obligate: 100 %
    "HP:0040281": 0.895,  # very frequent: 80–99 %, its middle
    "HP:0040282": 0.545,  # frequent: 30–79 %
    "HP:0040283": 0.17,  # occasional: 5–29 %
    "HP:0040284": 0.025,  # very rare: 1–4 %
    "HP:0040285": 0.0,  # excluded
}
_COLUMNS = (
    *("database_id", "disease_name", "qualifier", "hpo_id", "reference", "evidence"),
    *("onset", "frequency", "sex", "modifier", "aspect", "biocuration"),
)
_RATIO = re.compile(r"^(\d+)\s*/\s*(\d+)$")
_PERCENT = re.compile(r"^(\d+(?:\.\d+)?)\s*%$")


@dataclass(frozen=True, slots=True)
class Frequency:
    """How often a sign was seen: `seen` of `examined` patients, or a `share` (0 to 1), or neither where unstated."""

    seen: int = 0
    examined: int = 0
    share: float | None = None


@dataclass(frozen=True, slots=True)
class AnnotationRow:
    """One statement. `negated` is the NOT qualifier; `aspect` P (sign), I (inheritance), C (course), M, H."""

    disease: str
    disease_name: str
    term: str
    source: str
    evidence: str
    frequency: Frequency
    onset: str
    sex: str
    aspect: str
    negated: bool


def read_frequency(text: str) -> Frequency:
    """`3/7`, `45%`, an HPO frequency class or nothing.

    Raises:
        InternalError: any other form, so that a changed format is noticed rather than read as "unstated".
    """
    text = text.strip()
    if not text:
        return Frequency()
    if match := _RATIO.match(text):
        seen, examined = int(match.group(1)), int(match.group(2))
        if examined == 0 or seen > examined:
            raise InternalError(f"The annotation frequency '{text}' is no share of patients.")
        return Frequency(seen, examined)
    if match := _PERCENT.match(text):
        return Frequency(share=min(1.0, float(match.group(1)) / 100))
    if text in FREQUENCY_CLASSES:
        return Frequency(share=FREQUENCY_CLASSES[text])
    raise InternalError(f"The annotation frequency '{text}' has an unknown form.")


def read_version(lines: Iterable[str]) -> str:
    """The release named in the header comments, "unknown" where there is none."""
    for line in lines:
        if not line.startswith("#"):
            break
        if line.startswith("#version:"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def read_annotations(lines: Iterable[str]) -> Iterator[AnnotationRow]:
    """Every row of the table. Raises `InternalError` where the columns are not the known ones."""
    header_seen = False
    for line in lines:
        if line.startswith("#"):
            continue
        cells = line.rstrip("\n").split("\t")
        if not header_seen:
            if tuple(cells) != _COLUMNS:
                raise InternalError(f"The annotation table has the columns {cells}, expected {list(_COLUMNS)}.")
            header_seen = True
            continue
        row = dict(zip(_COLUMNS, cells, strict=True))
        yield AnnotationRow(
            disease=row["database_id"],
            disease_name=row["disease_name"],
            term=row["hpo_id"],
            source=row["reference"],
            evidence=row["evidence"],
            frequency=read_frequency(row["frequency"]),
            onset=row["onset"],
            sex=row["sex"],
            aspect=row["aspect"],
            negated=row["qualifier"] == "NOT",
        )
