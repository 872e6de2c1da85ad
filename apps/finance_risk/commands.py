"""`trivium risk FILE…`: facts, events and a score, each with its source."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import InputError

if TYPE_CHECKING:
    from apps.finance_risk.report import RiskReport
    from core.inference.summary import Summary
    from core.text import Language

_FORMATS = (".html", ".htm", ".md", ".json")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `trivium risk`."""
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="10-K, 10-Q, 8-K or 年度报告 as HTML or text"
    )
    parser.add_argument("--lang", choices=("en", "zh"), help="language of the report (default: the filing's own)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--out", type=Path, metavar="REPORT", help="write to REPORT.html, .md or .json")
    parser.add_argument(
        "--phrase", action="store_true", help="add a summary worded by the language model, each sentence checked"
    )
    parser.add_argument(
        "--fill-roles",
        action="store_true",
        help="let the language model fill the roles of matters that rules leave open",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print or write the reports of all files; a file that cannot be read ends it before anything is written."""
    if arguments.out is not None and arguments.out.suffix.lower() not in _FORMATS:
        raise InputError(
            f"'{arguments.out}' has no format that can be written.", hint=f"End its name in {', '.join(_FORMATS)}."
        )
    from apps.finance_risk.report import analyse, build_sheet, to_plain_data
    from core.files import write_atomic
    from core.report import to_html, to_markdown, to_text

    reports = [analyse(path) for path in arguments.files]
    languages = [arguments.lang or report.language for report in reports]
    if arguments.fill_roles:
        reports = [_with_roles(report) for report in reports]
    summaries = [
        _summary(report, language) if arguments.phrase else None
        for report, language in zip(reports, languages, strict=True)
    ]
    given = list(zip(reports, languages, summaries, strict=True))
    sheets = [build_sheet(report, language, summary) for report, language, summary in given]
    data = [to_plain_data(report, language, summary) for report, language, summary in given]
    as_json = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    if arguments.out is not None:
        suffix = arguments.out.suffix.lower()
        written = {".json": lambda: as_json, ".md": lambda: to_markdown(*sheets)}.get(suffix, lambda: to_html(*sheets))
        write_atomic(arguments.out, written())
        print(f"{arguments.out}: {len(reports)} report(s)")
    elif arguments.json:
        print(as_json, end="")
    else:
        print(to_text(*sheets), end="")
    return 0


def _with_roles(report: RiskReport) -> RiskReport:
    from apps.finance_risk.matters.filling import fill_roles
    from core.inference import load_generator
    from core.progress import ProgressLine

    if not any(matter.empty_roles for matter in report.matters.matters):
        return report
    filled = fill_roles(report.matters, load_generator(), ProgressLine(f"{report.filing.name}: roles"))
    return replace(report, matters=filled)


def _summary(report: RiskReport, language: Language) -> Summary:
    from apps.finance_risk.report.narrative import tell_report
    from core.inference import load_generator
    from core.progress import ProgressLine

    return tell_report(report, language, load_generator(), ProgressLine(f"{report.filing.name}: summary"))
