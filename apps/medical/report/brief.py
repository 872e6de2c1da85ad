"""A diagnosis in a dozen lines, for the demonstration."""

from __future__ import annotations

from apps.medical.analysis import Diagnosis, Diagnostician
from apps.medical.report.sheet import contribution_lines, warning
from apps.medical.report.wording import Wording
from core.text import Language

_MOST_LINES = 3


def brief_report(doctor: Diagnostician, diagnosis: Diagnosis, language: Language) -> str:
    """Findings by status, then the first candidates with the strongest evidence for and against."""
    say = Wording(doctor, language)
    lines = [f"{diagnosis.name} — {say.patient(diagnosis.note)}"]
    by_status: dict[str, list[str]] = {}
    for finding in diagnosis.note.findings:
        by_status.setdefault(say.status(finding), []).append(say.names.term(finding.term))
    lines += [f"  {status}: {', '.join(dict.fromkeys(names))}" for status, names in by_status.items()]
    problem = warning(say, diagnosis)
    lines += [f"  !! {problem}"] if problem else []
    for candidate in diagnosis.differential.candidates:
        lines.append(
            f"  {candidate.rank}. {say.disease(candidate)} · {say.text('column_support')}: {say.support(candidate)}"
        )
        for sign, parts in (("+", candidate.speaking_for), ("−", candidate.speaking_against)):
            shown = contribution_lines(say, candidate.disease, parts)[:_MOST_LINES]
            lines += [f"     {sign} {line}" for line in shown]
    return "\n".join([*lines, f"  {say.text('disclaimer')}", ""])
