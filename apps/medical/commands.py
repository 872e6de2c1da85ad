"""`trivium diagnose FILE…`: findings and a differential for clinical notes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_FORMATS = (".html", ".htm", ".md", ".json", ".txt")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `trivium diagnose`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a clinical note as plain text or Markdown, zh or en")
    parser.add_argument("--lang", choices=("zh", "en"), help="language of the report (default: the note's own)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--out", type=Path, metavar="REPORT", help="write to REPORT.html, .md, .json or .txt")
    parser.add_argument("--top", type=_count, default=10, metavar="N", help="candidates to list (default 10)")
    parser.add_argument(
        "--phrase", action="store_true", help="add a summary worded by the language model, each sentence checked"
    )
    parser.add_argument(
        "--fields",
        action="store_true",
        help="let the language model read medications, vital signs, allergies and history, shown apart",
    )


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 100:
        raise argparse.ArgumentTypeError("must be between 1 and 100")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Print or write the report; a note that cannot be read ends it before anything is written."""
    import json

    from apps.medical.analysis import diagnostician, note_from_file
    from core.errors import InputError
    from core.files import write_atomic

    suffix = arguments.out.suffix.lower() if arguments.out else ".json" if arguments.json else ".txt"
    if suffix not in _FORMATS:
        raise InputError(
            f"'{arguments.out}' has no format that can be written.", hint=f"End its name in {', '.join(_FORMATS)}."
        )
    text = note_from_file(arguments.file)
    doctor = diagnostician()
    note = doctor.read(text)
    diagnosis = doctor.diagnose(arguments.file.name, note, top=arguments.top)
    language = arguments.lang or note.language

    asked: dict[str, Any] = {}
    if arguments.fields or arguments.phrase:
        from core.inference import load_generator
        from core.progress import ProgressLine

        generator = load_generator()
        if arguments.fields:
            from apps.medical.records.fields import read_fields

            asked["fields"] = read_fields(note, generator, ProgressLine("fields"))
        if arguments.phrase:
            from apps.medical.report.narrative import tell_diagnosis

            asked["summary"] = tell_diagnosis(doctor, diagnosis, language, generator, ProgressLine("summary"))

    from apps.medical.report import build_sheet, to_plain_data
    from core.report import to_html, to_markdown, to_text

    if suffix == ".json":
        report = json.dumps(to_plain_data(doctor, diagnosis, language, **asked), ensure_ascii=False, indent=2) + "\n"
    else:
        render = {".html": to_html, ".htm": to_html, ".md": to_markdown}.get(suffix, to_text)
        report = render(build_sheet(doctor, diagnosis, language, **asked))
    if arguments.out:
        write_atomic(arguments.out, report)
        print(arguments.out)
    else:
        print(report, end="")
    return 0
