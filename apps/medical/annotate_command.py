"""`trivium annotate FILE… --out NOTES.spacy`: the findings of many notes, for review or training in spaCy."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.tokens import Doc

_FORMATS = (".spacy", ".jsonl")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `trivium annotate`."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="clinical notes as plain text or Markdown")
    parser.add_argument("--out", type=Path, required=True, metavar="NOTES", help="NOTES.spacy (DocBin) or NOTES.jsonl")


def run(arguments: argparse.Namespace) -> int:
    """Read all notes, then write; a note that cannot be read ends it before anything is written."""
    from apps.medical.analysis import note_from_file
    from core.errors import InputError
    from core.files import write_atomic
    from core.text import detect_language

    suffix = arguments.out.suffix.lower()
    if suffix not in _FORMATS:
        raise InputError(
            f"'{arguments.out}' has no format that can be written.", hint="End its name in .spacy or .jsonl."
        )
    notes = [(path.name, note_from_file(path)) for path in arguments.files]

    from apps.medical.knowledge.store import open_knowledge
    from apps.medical.records.pipeline import annotate

    ontology = open_knowledge().ontology
    docs: dict[int, Doc] = {}
    for language in ("zh", "en"):
        chosen = [index for index, (_, text) in enumerate(notes) if detect_language(text) == language]
        if chosen:
            docs |= dict(zip(chosen, annotate([notes[i][1] for i in chosen], ontology, language), strict=True))
    ordered = [docs[index] for index in range(len(notes))]
    names = [name for name, _ in notes]
    content = _docbin(ordered) if suffix == ".spacy" else _lines(names, ordered)
    write_atomic(arguments.out, content)
    print(f"{arguments.out}: {len(notes)} note(s), {sum(len(doc.spans['terms']) for doc in ordered)} findings")
    return 0


def _docbin(docs: list[Doc]) -> bytes:
    from spacy.tokens import DocBin

    store = DocBin(store_user_data=False)
    for doc in docs:
        store.add(doc)
    return bytes(store.to_bytes())


def _lines(names: list[str], docs: list[Doc]) -> str:
    import json

    def line(name: str, doc: Doc) -> str:
        spans = [
            {"start": s.start_char, "end": s.end_char, "id": s.label_, "status": s._.assertion.status}
            for s in doc.spans["terms"]
        ]
        return json.dumps({"name": name, "text": doc.text, "findings": spans}, ensure_ascii=False)

    return "".join(line(name, doc) + "\n" for name, doc in zip(names, docs, strict=True))
