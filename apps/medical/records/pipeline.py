"""Many notes through spaCy: the reading of `findings` as spaCy documents, for annotation, review and training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, get_args

from apps.medical.knowledge.ontology import Ontology
from apps.medical.knowledge.vocabulary import NOT_A_FINDING, build_dictionary
from apps.medical.records.findings import in_section
from apps.medical.records.sections import find_sections, note_sentences
from core.extraction.assertion import Status
from core.extraction.spacy_pipeline import SPANS_KEY, build_pipeline
from core.text import Language, Span

if TYPE_CHECKING:
    from spacy.language import Language as Pipeline
    from spacy.tokens import Doc


def sentences_of_note(text: str) -> list[Span]:
    """Sentences that cross neither sections nor unwrapped lines."""
    return [sentence for section in find_sections(text) for sentence in note_sentences(text, section.span)]


def clinical_pipeline(ontology: Ontology, language: Language) -> Pipeline:
    """A spaCy pipeline for clinical notes of one language, sections included."""
    from spacy.language import Language as Factories

    if not Factories.has_factory("trivium_sections"):
        Factories.component("trivium_sections", func=read_sections)
    dictionary = build_dictionary(ontology, language)
    pipeline = build_pipeline(language, dictionary, sentences=sentences_of_note, ignored_code=NOT_A_FINDING)
    pipeline.add_pipe("trivium_sections", after="trivium_assertion")
    return pipeline


def read_sections(doc: Doc) -> Doc:
    """Component `trivium_sections`: what a term's section adds to its assertion."""
    sections = find_sections(doc.text)
    for span in doc.spans[SPANS_KEY]:
        home = next(s for s in sections if s.span.start <= span.start_char < s.span.end)
        span._.assertion = in_section(span._.assertion, home)
    return doc


def annotate(notes: Iterable[str], ontology: Ontology, language: Language) -> Iterator[Doc]:
    """Every note as a `Doc`; beside all terms, `doc.spans` has a group for each status, which `DocBin` keeps."""
    for doc in clinical_pipeline(ontology, language).pipe(notes):
        for status in get_args(Status):
            doc.spans[status] = [span for span in doc.spans[SPANS_KEY] if span._.assertion.status == status]
        yield doc
