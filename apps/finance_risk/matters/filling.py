"""Asking a language model for the roles that rules leave empty.

It writes an object of all roles of the matter. A value is kept only if it stands in the sentence, is of the role's kind
and is not already another role's; the rest is dropped and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, Field, create_model

from apps.finance_risk.matters.declared import Role
from apps.finance_risk.matters.reading import Matter, MatterReading, Term
from apps.finance_risk.matters.rules import trimmed
from apps.finance_risk.matters.values import fits
from core.evidence import TextEvidence
from core.inference import Generator, Sampling
from core.inference.extract import Extraction, extract, extraction_task
from core.inference.extract import Field as Located
from core.progress import ProgressCallback
from core.text import Language, Span, detect_language

_LONGEST_VALUE = 60
_TOKENS_PER_ROLE = 40
_INSTRUCTION: dict[Language, str] = {
    "en": "Leave a field empty where the text does not name it.",
    "zh": "文本没有写明的字段留空。",
}


def fill_roles(reading: MatterReading, generator: Generator, progress: ProgressCallback | None = None) -> MatterReading:
    """The reading with empty roles filled where the model finds words of the sentence that fit."""
    groups: dict[tuple[str, Language], list[int]] = {}
    for index, matter in enumerate(reading.matters):
        if matter.empty_roles:
            groups.setdefault((matter.kind.name, detect_language(matter.sentence.quote)), []).append(index)
    filled = list(reading.matters)
    failed = done = 0
    total = sum(map(len, groups.values()))
    for (_, language), indices in groups.items():
        roles = reading.matters[indices[0]].kind.roles
        answers = extract(
            generator,
            [reading.matters[index].sentence.quote for index in indices],
            role_schema(roles, language),
            instruction=_INSTRUCTION[language],
            sampling=Sampling(max_tokens=_TOKENS_PER_ROLE * len(roles) + 16),
        )
        for index, answer in zip(indices, answers, strict=True):
            filled[index] = filled_matter(reading.matters[index], answer)
            failed += answer.value is None
        done += len(indices)
        if progress is not None:
            progress(done, total)
    return replace(reading, matters=tuple(filled), model=generator.name, failed=failed)


def role_schema(roles: Sequence[Role], language: Language) -> type[BaseModel]:
    """An object with one short text a role."""
    fields: dict[str, Any] = {
        role.name: (str, Field(max_length=_LONGEST_VALUE, description=role.names[language])) for role in roles
    }
    return create_model("Roles", **fields)


def roles_prompt(roles: Sequence[Role], sentence: str) -> str:
    """What the model is asked for the roles of a sentence."""
    language = detect_language(sentence)
    return extraction_task(sentence, role_schema(roles, language), _INSTRUCTION[language])


def filled_matter(matter: Matter, answer: Extraction[BaseModel]) -> Matter:
    """The matter with what stands of the answer.

    An answer that names another party where rules have read one has mistaken who does what: its parties are dropped.
    """
    sentence, start = matter.sentence.quote, matter.sentence.span.start
    offered = {field.path: _offered(matter, field) for field in answer.fields}
    known = {term.role.name: term for term in matter.terms}
    mistaken = any(
        not _same(known[role.name].evidence.quote, span.of(sentence))
        for role in matter.kind.roles
        if role.of == "party" and role.name in known and (span := offered.get(role.name))
    )
    terms, dropped = list(matter.terms), 0
    for role in matter.empty_roles:
        if role.name not in offered:
            continue
        span = offered[role.name]
        placed = span.shift(start) if span else None
        taken = placed is None or any(placed.overlaps(term.evidence.span) for term in terms)
        if span is None or placed is None or taken or (mistaken and role.of == "party"):
            dropped += 1
        else:
            terms.append(Term(role, TextEvidence(matter.sentence.document_id, placed, span.of(sentence)), "model"))
    order = {role.name: place for place, role in enumerate(matter.kind.roles)}
    return replace(matter, terms=tuple(sorted(terms, key=lambda term: order[term.role.name])), dropped=dropped)


def _offered(matter: Matter, field: Located) -> Span | None:
    """Where the value of a field stands in the sentence; None where it does not, or is not of the role's kind."""
    role = next(role for role in matter.kind.roles if role.name == field.path)
    sentence = matter.sentence.quote
    span = field.span and fits(role.of, field.span, sentence)
    return trimmed(span, sentence) if span and role.of == "party" else span


def _same(one: str, other: str) -> bool:
    """Whether two wordings can name one party: one holds the other."""
    first, second = one.casefold(), other.casefold()
    return first in second or second in first
