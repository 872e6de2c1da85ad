"""What terms and diseases are called for a reader of Chinese or English."""

from __future__ import annotations

import re

from apps.medical.knowledge.store import Knowledge
from apps.medical.knowledge.vocabulary import disease_names_zh, read_lexicon, zh_labels
from core.text import Language

_GENERIC_WORDS = frozenset(
    ("type", "syndrome", "disease", "disorder", "form", "the", "of", "and", "with", "or", "due", "to", "complex")
)


class Names:
    """Names in one language; where there is no Chinese one, the English name is shown."""

    def __init__(self, knowledge: Knowledge, language: Language) -> None:
        self._knowledge = knowledge
        self.language = language
        self._terms = {entry.id: entry.label for entry in read_lexicon("zh")} if language == "zh" else {}
        self._official = zh_labels() if language == "zh" else {}
        self._diseases = disease_names_zh() if language == "zh" else {}

    def term(self, term: int) -> str:
        """Our own label alone; an official translation together with the English label it stands for."""
        term_id, english = self.term_id(term), self._knowledge.ontology.labels[term]
        if term_id in self._terms:
            return self._terms[term_id]
        return f"{self._official[term_id]} / {english}" if term_id in self._official else english

    def term_id(self, term: int) -> str:
        return self._knowledge.ontology.ids[term]

    def disease(self, disease: int) -> str:
        english = self._knowledge.names[disease]
        own = self._diseases.get(self._knowledge.diseases[disease])
        return f"{own} / {english}" if own else english


def family_key(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """`(words, numbers)` of a disease name, generic words left out, both sorted.

    "Friedreich ataxia 1" and "Friedreich ataxia" have the same words and differ in their numbers.
    """
    words = set(re.sub(r"[^a-z0-9]+", " ", name.lower()).split()) - _GENERIC_WORDS
    numbers = {word for word in words if len(word) == 1 or word[0].isdigit() or re.fullmatch(r"[ivx]+", word)}
    return tuple(sorted(words - numbers)), tuple(sorted(numbers))
