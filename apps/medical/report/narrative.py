"""The diagnosis in a few sentences: what the note states and denies, and the first candidates with their evidence.

Every sentence is made of what was read and ranked. A language model may reword it (`core.inference.summary`); it adds
no number, no sign, no disease and no advice.
"""

from __future__ import annotations

import re
from functools import lru_cache

from apps.medical.analysis import Diagnosis, Diagnostician
from apps.medical.diagnosis.differential import Candidate, Contribution
from apps.medical.knowledge.vocabulary import NOT_A_FINDING, build_dictionary
from apps.medical.report.sheet import warning
from apps.medical.report.wording import Wording
from core.extraction import TermDictionary
from core.inference import Generator
from core.inference.summary import Point, Summary, adds_no, tell
from core.progress import ProgressCallback
from core.text import Language

MOST_CANDIDATES = 3
_MOST_SIGNS = 12
_MOST_REASONS = 4
_ADVICE = re.compile(
    r"\b(?:should|must|recommend\w*|advis\w+|suggest\w*|treat\w*|therap\w+|prescri\w+|medicat\w+|dos(?:e|age)|surgery|"
    r"refer(?:ral|red)?|admit\w*|diagnos(?:is|ed) (?:is|with|as|of)|confirm\w*|cure\w*|urgent\w*)\b"
    r"|建议|应当|应该|治疗|用药|服用|手术|转诊|住院|确诊|诊断为|治愈|尽快|就医",
    re.IGNORECASE,
)

_AGAINST = re.compile(r"\bagainst\b|\bcontradict\w*|\bopposes?\b|不支持|反对|不符", re.IGNORECASE)


def narrative_points(doctor: Diagnostician, diagnosis: Diagnosis, language: Language) -> list[Point]:
    """What there is to tell, each as a template; warnings are fixed."""
    say = Wording(doctor, language)
    case = diagnosis.reconciled.case
    points = []
    for key, terms in (("present", case.present), ("absent", case.absent)):
        if terms:
            signs = [say.names.term(term) for term in terms[:_MOST_SIGNS]]
            more = say.text("tell_more", len(terms) - _MOST_SIGNS) if len(terms) > _MOST_SIGNS else ""
            points.append(Point(key, say.text(f"tell_{key}", _listed(signs, language) + more), tuple(signs)))
    problem = warning(say, diagnosis)
    if problem:
        points.append(Point("warning", problem, fixed=True))
    candidates = diagnosis.differential.candidates[:MOST_CANDIDATES]
    points += [_candidate(say, candidate, language) for candidate in candidates]
    points.append(Point("limits", say.text("tell_limits"), fixed=True))
    return points


def tell_diagnosis(
    doctor: Diagnostician,
    diagnosis: Diagnosis,
    language: Language,
    generator: Generator,
    progress: ProgressCallback | None = None,
) -> Summary:
    """The points, in the model's words where they pass every check, else in the template's."""
    say = Wording(doctor, language)
    no_advice = adds_no(_ADVICE, lambda given: say.text("refused_advice", given))

    def same_side(sentence: str, evidence: str) -> str:
        given = [match.group() for match in _AGAINST.finditer(sentence) if not _AGAINST.search(evidence)]
        return say.text("refused_side", given[0]) if given else ""

    def nothing_named(sentence: str, evidence: str) -> str:
        other = other_terms(doctor, sentence, evidence, language)
        return say.text("refused_term", ", ".join(other)) if other else ""

    points = narrative_points(doctor, diagnosis, language)
    return tell(generator, points, language, guards=(no_advice, same_side, nothing_named), progress=progress)


def other_terms(doctor: Diagnostician, sentence: str, evidence: str, language: Language) -> list[str]:
    """Signs and diseases that a sentence names and its evidence does not, as written."""
    found = []
    for dictionary in (build_dictionary(doctor.knowledge.ontology, language), _diseases(doctor, language)):
        known = {match.code for match in dictionary.find(evidence)}
        found += [
            match.span.of(sentence)
            for match in dictionary.find(sentence)
            if match.code != NOT_A_FINDING and match.code not in known
            if match.span.of(sentence).casefold() not in evidence.casefold()
        ]
    return list(dict.fromkeys(found))


@lru_cache(maxsize=4)
def _diseases(doctor: Diagnostician, language: Language) -> TermDictionary:
    """All disease names, English ones always, Chinese ones for Chinese text."""
    dictionary, names = TermDictionary(), doctor.names(language)
    for position, identifier in enumerate(doctor.knowledge.diseases):
        for name in dict.fromkeys((doctor.knowledge.names[position], *names.disease(position).split(" / "))):
            dictionary.add(name, identifier)
    return dictionary


def _candidate(say: Wording, candidate: Candidate, language: Language) -> Point:
    name = say.names.disease(candidate.disease)
    told = say.text("tell_candidate", candidate.rank, name, say.support(candidate))
    keeps = [str(candidate.rank), name, say.support(candidate)]
    for key, parts in (("for", candidate.speaking_for), ("against", candidate.speaking_against)):
        if parts:
            subjects = _subjects(say, parts)
            told += say.text(f"tell_{key}", _listed(subjects, language))
            keeps += [say.text(f"keep_{key}"), *subjects]
    return Point(f"candidate_{candidate.rank}_{candidate.disease}", told, tuple(keeps))


def _subjects(say: Wording, parts: list[Contribution]) -> list[str]:
    return [say.subject(part) for part in parts[:_MOST_REASONS]]


def _listed(names: list[str], language: Language) -> str:
    if language == "zh":
        return "、".join(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
