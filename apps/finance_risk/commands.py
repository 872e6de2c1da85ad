"""`trivium risk FILE…`: facts, events and a score, each with its source."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from core.errors import InputError

_FORMATS = (".html", ".htm", ".md", ".json")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `trivium risk`."""
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="10-K, 10-Q, 8-K or 年度报告 as HTML or text"
    )
    parser.add_argument("--lang", choices=("en", "zh"), help="language of the report (default: the filing's own)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--out", type=Path, metavar="REPORT", help="write to REPORT.html, .md or .json")


def run(arguments: argparse.Namespace) -> int:
    """Print or write the reports of all files; a file that cannot be read ends it before anything is written."""
    if arguments.out is not None and arguments.out.suffix.lower() not in _FORMATS:
        raise InputError(
            f"'{arguments.out}' has no format that can be written.", hint=f"End its name in {', '.join(_FORMATS)}."
        )
    from apps.finance_risk.report import analyse, build_sheet, to_html, to_markdown, to_plain_data, to_text
    from core.files import write_atomic

    reports = [analyse(path) for path in arguments.files]
    languages = [arguments.lang or report.language for report in reports]
    sheets = [build_sheet(report, language) for report, language in zip(reports, languages, strict=True)]
    data = [to_plain_data(report, language) for report, language in zip(reports, languages, strict=True)]
    as_json = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    if arguments.out is not None:
        suffix = arguments.out.suffix.lower()
        written = {".json": lambda: as_json, ".md": lambda: to_markdown(sheets)}.get(suffix, lambda: to_html(sheets))
        write_atomic(arguments.out, written())
        print(f"{arguments.out}: {len(reports)} report(s)")
    elif arguments.json:
        print(as_json, end="")
    else:
        print("\n".join(to_text(sheet) for sheet in sheets), end="")
    return 0
