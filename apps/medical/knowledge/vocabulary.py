"""The words for phenotype terms: what is looked for in notes, and what is shown to readers.

English comes from the ontology's labels and synonyms plus a short list of our own; Chinese from a lexicon of our own,
and beside it, where the public set `hpo_zh` is present, from its official labels. Those contain errors (a label that
is another disease, or says the opposite), so ours go first, an official label is used only where `official_zh` finds no
fault with it, and it is shown together with the English one.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from apps.medical.knowledge.ontology import Ontology
from core.data import dataset
from core.errors import InternalError
from core.extraction import TermDictionary, tokenise

LEXICON = Path(__file__).parent / "lexicon"
NOT_A_FINDING = ""
OFFICIAL_ZH = "hp-zh.babelon.tsv.gz"
_SCOPE_PRIORITY = {"EXACT": 2, "NARROW": 3, "RELATED": 4, "BROAD": 5}
_SHORTEST_OFFICIAL_ZH = 2
_ABBREVIATION_LENGTH = 6


@dataclass(frozen=True, slots=True)
class LexiconEntry:
    """A line of a lexicon: an id, its label, and other words for it."""

    id: str
    label: str
    synonyms: tuple[str, ...]


def read_lexicon(name: str) -> list[LexiconEntry]:
    """The lines of `lexicon/NAME.tsv`: id, English name (for the reader of the file), label, synonyms between `|`.

    Raises:
        InternalError: a line with another number of columns, or an id that occurs twice.
    """
    entries = []
    with (LEXICON / f"{name}.tsv").open(encoding="utf-8", newline="") as lines:
        for number, cells in enumerate(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
            if not cells or cells[0].startswith("#"):
                continue
            if len(cells) != 4:
                raise InternalError(f"Line {number} of the lexicon '{name}' has {len(cells)} columns, expected 4.")
            synonyms = tuple(word.strip() for word in cells[3].split("|") if word.strip())
            entries.append(LexiconEntry(cells[0], cells[2], synonyms))
    repeated = [id_ for id_, count in Counter(entry.id for entry in entries).items() if count > 1]
    if repeated:
        raise InternalError(f"The lexicon '{name}' has {repeated[0]} twice.")
    return entries


def official_zh() -> dict[str, str]:
    """Official Chinese labels by term id that nothing speaks against; empty where the public set is absent.

    Left out: a label that several terms share, and one that disagrees with its English source (`disagreement`).
    """
    entry = dataset("hpo_zh")
    if not entry.is_available():
        return {}
    with gzip.open(entry.file(OFFICIAL_ZH), "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    labels = [row for row in rows if row["predicate_id"] == "rdfs:label"]
    uses = Counter(row["translation_value"].strip() for row in labels)
    return {
        row["subject_id"]: chinese
        for row in labels
        if uses[chinese := row["translation_value"].strip()] == 1
        and len(chinese) >= _SHORTEST_OFFICIAL_ZH
        and disagreement(chinese, row["source_value"]) is None
    }


def disagreement(chinese: str, english: str) -> str | None:
    """The word of `lexicon/zh_checks.tsv` on which a label and its source disagree ("结核"), or None."""
    lower = english.lower()
    for words, stems, direction in _checks():
        in_chinese = any(word in chinese for word in words)
        in_english = any(stem in lower for stem in stems)
        if direction in ("both", "zh") and in_chinese and not in_english:
            return words[0]
        if direction in ("both", "en") and in_english and not in_chinese:
            return words[0]
    return None


@lru_cache(maxsize=1)
def _checks() -> tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...]:
    lines = (LEXICON / "zh_checks.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return tuple((tuple(words.split("|")), tuple(stems.split("|")), direction) for words, stems, direction in rows)


@lru_cache(maxsize=1)
def zh_labels() -> dict[str, str]:
    """Chinese label by term id, ours before the official ones; an official label that one of ours uses is dropped."""
    ours = {entry.id: entry.label for entry in read_lexicon("zh")}
    taken = {word for entry in read_lexicon("zh") for word in (entry.label, *entry.synonyms)}
    return {id_: text for id_, text in official_zh().items() if text not in taken} | ours


def disease_names_zh() -> dict[str, str]:
    """Chinese name by disease id, for the diseases we are sure of."""
    return {entry.id: entry.label for entry in read_lexicon("diseases_zh")}


@lru_cache(maxsize=4)
def build_dictionary(ontology: Ontology, language: str) -> TermDictionary:
    """Phrases of one language to term ids, for phenotypic abnormalities only.

    Phrases that merely contain the word for a sign ("fever clinic") are in it with the code `NOT_A_FINDING`.
    """
    dictionary = TermDictionary()
    for phrase in _lines("not_findings"):
        dictionary.add(phrase, NOT_A_FINDING, priority=-1)
    for phrase, term_id, priority, exact_case in _phrases(ontology, language):
        dictionary.add(phrase, term_id, priority=priority, exact_case=exact_case)
    return dictionary


def _phrases(ontology: Ontology, language: str) -> Iterator[tuple[str, str, int, bool]]:
    for entry in read_lexicon(language):
        for phrase in (entry.label, *entry.synonyms):
            yield phrase, entry.id, 0, _is_abbreviation(phrase)
    if language == "zh":
        ours = {entry.id for entry in read_lexicon("zh")}
        for term_id, label in zh_labels().items():
            if term_id not in ours and (at := ontology.positions.get(term_id)) and ontology.is_phenotype[at]:
                yield label, term_id, 1, False
        return
    ambiguous = _ambiguous_english()
    for position, term_id in enumerate(ontology.ids):
        if not ontology.is_phenotype[position]:
            continue
        names = [(ontology.labels[position], 1)]
        names += [(s.text, _SCOPE_PRIORITY[s.scope]) for s in ontology.synonyms[position]]
        for phrase, priority in names:
            if phrase.lower() not in ambiguous:
                yield phrase, term_id, priority, _is_abbreviation(phrase)


def _ambiguous_english() -> frozenset[str]:
    return frozenset(line.lower() for line in _lines("en_ambiguous"))


def _lines(name: str) -> list[str]:
    lines = (LEXICON / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _is_abbreviation(phrase: str) -> bool:
    tokens = tokenise(phrase)
    return len(tokens) == 1 and len(phrase) <= _ABBREVIATION_LENGTH and sum(c.isupper() for c in phrase) >= 2
