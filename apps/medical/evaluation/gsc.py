"""Suite `gsc`: phenotype terms found in English abstracts, against those annotated by hand."""

from __future__ import annotations

from pathlib import Path

from apps.medical.knowledge.ontology import Ontology
from apps.medical.knowledge.store import open_knowledge
from apps.medical.knowledge.vocabulary import NOT_A_FINDING, build_dictionary
from core.data import dataset
from core.evaluation import Outcome, Published, Suite, f1_measure, proportion, spread
from core.progress import ProgressCallback


def gold_terms(path: Path, ontology: Ontology) -> set[str]:
    """Ids annotated in one document, brought up to date; terms outside phenotypic abnormality are left out."""
    found = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        term = (
            ontology.current_id(line.split("\t")[-1].split("|")[0].strip().replace("_", ":")) if "|" in line else None
        )
        if term and ontology.is_phenotype[ontology.positions[term]]:
            found.add(term)
    return found


def run(limit: int | None, progress: ProgressCallback) -> Outcome:
    """Micro precision, recall and F1 over documents; a term counts once a document."""
    ontology = open_knowledge().ontology
    dictionary = build_dictionary(ontology, "en")
    folder = dataset("gsc_plus").path()
    names = sorted(path.name for path in (folder / "Text").iterdir())
    counts = []
    for done, index in enumerate(spread(len(names), limit), start=1):
        gold = gold_terms(folder / "Annotations" / names[index], ontology)
        text = (folder / "Text" / names[index]).read_text(encoding="utf-8")
        found = {match.code for match in dictionary.find(text)} - {NOT_A_FINDING}
        counts.append((len(gold & found), len(found - gold), len(gold - found)))
        progress(done, len(names))
    right, wrong, missed = (sum(column) for column in zip(*counts, strict=True))
    return Outcome(
        n=len(counts),
        metrics={
            "f1": f1_measure(counts),
            "precision": proportion(right, right + wrong),
            "recall": proportion(right, right + missed),
        },
        notes=(
            "Document level: the set of terms of each abstract. The gold set also names parts of longer terms "
            "('retardation' in 'mental retardation'), which longest match leaves out on purpose.",
            "Gold terms outside phenotypic abnormality (inheritance, course) are not counted.",
        ),
    )


SUITE = Suite(
    name="gsc",
    title="Phenotype terms in English abstracts (GSC+)",
    run=run,
    data=("gsc_plus",),
    published=(
        Published("f1", 0.76, "FastHPOCR, document level, public data notes"),
        Published("f1", 0.705, "PhenoBERT, document level, public data notes"),
    ),
)
