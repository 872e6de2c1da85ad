"""Which sentences of a filing tell of a matter, and what is known of each.

Rules read first. What they leave empty a language model may be asked for (`filling`); its values are kept apart and
change neither an event nor a score.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from apps.finance_risk.filings import Filing
from apps.finance_risk.matters.declared import KindOfMatter, Role, declared_kinds
from apps.finance_risk.matters.rules import read_roles
from apps.finance_risk.matters.values import find_values
from core.evidence import TextEvidence
from core.text import Span, split_sentences

MAX_MATTERS = 30
LONGEST_SENTENCE = 600
"""Characters. A longer one is a clause of a contract, which states terms and reports no matter."""
_FORMS = ("8-K", "announcement-cn", "annual-report-cn", "interim-report-cn", "quarterly-report-cn")
_PARAGRAPH = re.compile(r"[^\n]+")
_STATED: tuple[Literal["money", "shares", "ratio", "date"], ...] = ("money", "shares", "ratio", "date")


@dataclass(frozen=True, slots=True)
class Term:
    """A value in its role. `read_by` is "rule" or "model"; either way it stands in the filing at `evidence.span`."""

    role: Role
    evidence: TextEvidence
    read_by: Literal["rule", "model"]


@dataclass(frozen=True, slots=True)
class Matter:
    """A sentence that tells of a matter.

    Attributes:
        sentence: with its span in the filing.
        terms: at most one a role, in the order of the roles.
        dropped: how many values of the model were left out since they do not stand in the sentence or do not fit.
    """

    kind: KindOfMatter
    sentence: TextEvidence
    terms: tuple[Term, ...]
    dropped: int = 0

    @property
    def empty_roles(self) -> tuple[Role, ...]:
        """Roles nothing is known of."""
        known = {term.role.name for term in self.terms}
        return tuple(role for role in self.kind.roles if role.name not in known)


@dataclass(frozen=True, slots=True)
class MatterReading:
    """The matters of a filing, in its order.

    Attributes:
        is_cut: whether there are more sentences than were read.
        model: name of the language model that was asked for empty roles; empty where none was.
        failed: sentences on which the model gave nothing valid.
    """

    matters: tuple[Matter, ...]
    is_cut: bool = False
    model: str = ""
    failed: int = 0

    @property
    def dropped(self) -> int:
        """Values of the model that were left out, over all matters."""
        return sum(matter.dropped for matter in self.matters)


def find_matters(filing: Filing) -> MatterReading:
    """Matters of current reports, announcements and Chinese reports, read by rules.

    Annual reports on form 10-K tell of loans in terms and risks rather than as they happen and are not looked at.
    """
    if filing.cover.form_name not in _FORMS:
        return MatterReading(())
    found: list[Matter] = []
    for kind, sentence in _telling(filing.text):
        if len(found) == MAX_MATTERS:
            return MatterReading(tuple(found), is_cut=True)
        found.append(read_matter(kind, sentence.of(filing.text), filing.name, sentence.start))
    return MatterReading(tuple(found))


def read_matter(kind: KindOfMatter, sentence: str, document: str, start: int) -> Matter:
    """The matter of a sentence that stands at `start` of a document."""
    spans = read_roles(kind, sentence)
    terms = tuple(
        Term(role, TextEvidence(document, spans[role.name].shift(start), spans[role.name].of(sentence)), "rule")
        for role in kind.roles
        if role.name in spans
    )
    return Matter(kind, TextEvidence(document, Span(start, start + len(sentence)), sentence), terms)


def kind_of(sentence: str) -> KindOfMatter | None:
    """The kind of matter a sentence tells of; None where it tells of none, or names no value at all."""
    kind = next((kind for kind in declared_kinds() if kind.tells(sentence)), None)
    return kind if kind and any(find_values(value, sentence) for value in _STATED) else None


def _telling(text: str) -> Iterator[tuple[KindOfMatter, Span]]:
    """Sentences that tell of a matter, with their kind; a line break ends a sentence."""
    for line in _PARAGRAPH.finditer(text):
        if not any(kind.sign.search(line.group()) for kind in declared_kinds()):
            continue
        for span in split_sentences(line.group()):
            sentence = span.of(line.group())
            if len(sentence) <= LONGEST_SENTENCE and (kind := kind_of(sentence)) is not None:
                yield kind, span.shift(line.start())
