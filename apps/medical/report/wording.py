"""The words for parts of a diagnosis, in one language."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from apps.medical.analysis import Diagnostician
from apps.medical.diagnosis.differential import Candidate, Contribution
from apps.medical.diagnosis.questions import Question
from apps.medical.knowledge.build import Statement
from apps.medical.records.findings import ClinicalNote, Finding
from apps.medical.records.sections import SectionKind
from core.evidence import EdgeEvidence
from core.extraction import Assertion
from core.text import Language

_DETAILS = (
    (re.compile(r"^(\d+/\d+) patients$"), "patients_of"),
    (re.compile(r"^about (\d+%) of patients$"), "patients_about"),
    (re.compile(r"^frequency not stated$"), "frequency_unstated"),
    (re.compile(r"^reported not to occur$"), "reported_absent"),
)


@cache
def texts() -> dict[str, dict[str, str]]:
    """Texts by key, then by language."""
    path = Path(__file__).with_name("texts.yaml")
    return yaml.safe_load(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


class Wording:
    """Says things about diagnoses of one `Diagnostician` in one language."""

    def __init__(self, doctor: Diagnostician, language: Language) -> None:
        self.language = language
        self.knowledge = doctor.knowledge
        self.names = doctor.names(language)

    def text(self, key: str, *values: object) -> str:
        """The text of `key`, values filled in."""
        template = texts()[key][self.language]
        return template.format(*values) if values else template

    def sign(self, term: int) -> str:
        """Name and id of a sign."""
        return f"{self.names.term(term)} ({self.names.term_id(term)})"

    def status(self, finding: Finding) -> str:
        return self.text(f"status_{finding.assertion.status}")

    def section(self, finding: Finding) -> str:
        return self.section_title(finding.section)

    def section_title(self, kind: SectionKind | None) -> str:
        """What a section is called; a dash before the first heading."""
        return kind.titles[self.language] if kind else self.text("before_sections")

    def reason(self, finding: Finding) -> str:
        """The rules behind the status."""
        return self.rules(finding.assertion, finding.section)

    def rules(self, assertion: Assertion, section: SectionKind | None) -> str:
        """The rules that fired, with their cues."""
        parts = []
        for fired in assertion.fired:
            if fired.says == "patient":
                continue  # that it is the patient's own goes without saying
            if fired.rule.startswith("section:"):
                parts.append(self.text("rule_section", self.section_title(section)))
            else:
                parts.append(self.text("rule_cue", fired.rule, fired.cue))
        return ", ".join(parts) or self.text("default_reading")

    def patient(self, note: ClinicalNote) -> str:
        """Sex and age as read, with the words they were read from."""
        sex = self.text(note.sex.sex) if note.sex else self.text("sex_unknown")
        if note.age is None:
            return f"{sex}, {self.text('age_unknown')}"
        quote = " ".join(note.age.span.of(note.text).split())
        return f"{sex}, {self._age(note.age.years)} (“{quote}” [{note.age.span.start}–{note.age.span.end}])"

    def _age(self, years: float) -> str:
        if years >= 2:
            return self.text("age_years", f"{years:.0f}" if years >= 10 else f"{years:.1f}".removesuffix(".0"))
        if years >= 1 / 12:
            return self.text("age_months", f"{years * 12:.0f}")
        return self.text("age_days", f"{years * 365.25:.0f}")

    def remark(self, kind: str, term: int) -> str:
        return self.text(f"remark_{kind}", self.names.term(term))

    def disease(self, candidate: Candidate) -> str:
        """Name, id and other ids of a candidate."""
        ids = self.knowledge.diseases
        parts = [f"{self.names.disease(candidate.disease)} ({ids[candidate.disease]})"]
        merged = [*self.knowledge.aliases[candidate.disease], *(ids[other] for other in candidate.same_name)]
        parts += [self.text("also", ", ".join(merged))] if merged else []
        parts += [self.text("tied")] if candidate.tied else []
        return "; ".join(parts)

    def support(self, candidate: Candidate) -> str:
        return self.text(f"band_{candidate.band}")

    def subject(self, part: Contribution) -> str:
        """What a contribution is about."""
        if part.term is None:
            return self.text(f"kind_{part.kind}")
        name = self.names.term(part.term)
        return self.text("kind_absent", name) if part.kind == "absent" else name

    def comparison(self, part: Contribution) -> str:
        """How the finding was compared with the disease."""
        via = self.names.term(part.via) if part.via is not None else ""
        return self.text(f"match_{part.match}", via) if via else self.text(f"match_{part.match}")

    def statement(self, statement: Statement, disease: int) -> EdgeEvidence:
        """A statement of the knowledge base as evidence."""
        predicate = self.text("has_sign" if statement.seen > 0 else "lacks_sign")
        return EdgeEvidence(
            self.names.disease(disease),
            predicate,
            self.sign(statement.term),
            tuple(statement.source.split(";")),
            self.detail(statement.detail),
        )

    def detail(self, detail: str) -> str:
        """How often, in words."""
        for pattern, key in _DETAILS:
            if match := pattern.match(detail):
                return self.text(key, *match.groups())
        return detail

    def question(self, question: Question) -> str:
        favoured = "; ".join(self.names.disease(disease) for disease in question.favours)
        chance = f"{question.probability:.0%}"
        return self.text("question", self.sign(question.term), f"{question.gain:.2f}", chance, favoured)


def factor(log_ratio: float) -> str:
    """A log likelihood ratio as a factor: ×12, ÷1.6."""
    value = float(np.exp(abs(log_ratio)))
    digits = f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1.095 else f"{value:.2f}"
    return f"{'×' if log_ratio >= 0 else '÷'}{digits}"
