"""The main job: a note in, findings and a differential out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from apps.medical.diagnosis.differential import Differential, Ranker
from apps.medical.diagnosis.questions import Question, next_questions
from apps.medical.knowledge.names import Names
from apps.medical.knowledge.store import Knowledge, open_knowledge
from apps.medical.records.findings import ClinicalNote, Reconciled, read_note, reconcile
from core.config import settings
from core.errors import UnreadableFile
from core.files import check_size, decode_text, read_bytes
from core.text import Language

DEFAULT_TOP = 10


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything read and ranked for one note. `name` is the note's file name or a title."""

    name: str
    note: ClinicalNote
    reconciled: Reconciled
    differential: Differential
    questions: tuple[Question, ...]


class Diagnostician:
    """Reads notes and ranks diseases with one knowledge base."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.ranker = Ranker(knowledge)

    def read(self, text: str, *, language: Language | None = None) -> ClinicalNote:
        """Read a note. Raises `InputError`, see `read_note`."""
        return read_note(text, self.knowledge.ontology, language=language)

    def diagnose(
        self, name: str, note: ClinicalNote, *, top: int = DEFAULT_TOP, switched_off: Iterable[int] = ()
    ) -> Diagnosis:
        """Rank diseases for a note, leaving out the findings at the indices `switched_off`."""
        reconciled = reconcile(note, self.knowledge.ontology, switched_off=switched_off)
        differential = self.ranker.rank(reconciled.case, top=top)
        questions = next_questions(self.ranker, reconciled.case) if differential.candidates else []
        return Diagnosis(name, note, reconciled, differential, tuple(questions))

    def names(self, language: Language) -> Names:
        return Names(self.knowledge, language)


@cache
def diagnostician() -> Diagnostician:
    """The one on the packaged knowledge base, loaded (or built) on first use."""
    return Diagnostician(open_knowledge())


def note_from_file(path: Path) -> str:
    """The text of a note. Raises `UnreadableFile` or `FileTooLarge`."""
    return note_from_bytes(read_bytes(path, max_bytes=settings().max_upload_bytes), path.name)


def note_from_bytes(data: bytes, name: str) -> str:
    """The text of a note handed in as a file. Raises `UnreadableFile` or `FileTooLarge`."""
    check_size(len(data), name, max_bytes=settings().max_upload_bytes)
    text = decode_text(data, name)
    if not text.strip():
        raise UnreadableFile(f"'{name}' has no text.", hint="Choose a clinical note as plain text or Markdown.")
    if Path(name).suffix.lower() in (".html", ".htm", ".xml", ".json", ".csv"):
        raise UnreadableFile(f"'{name}' is not a plain-text note.", hint="Save the note as .txt or .md.")
    return text
