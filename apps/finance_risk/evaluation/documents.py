"""Documents of the own test set, written in a short notation and set as HTML.

Lines that begin with "|" are table rows, cells apart by "|"; `{3}text` spans three columns. Other lines are paragraphs;
an empty line ends a table. `form` and `period_end` of a case put a cover page before it.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

_SPANNED = re.compile(r"\{(\d+)\}")
_DATE_PHRASES = {
    "10-K": "For the fiscal year ended {}",
    "10-Q": "For the quarterly period ended {}",
    "8-K": "Date of Report (Date of earliest event reported): {}",
    "10-KT": "For the transition period ended {}",
    "20-F": "For the fiscal year ended {}",
}


def case_document(case: dict[str, Any]) -> tuple[bytes, str]:
    """The bytes and the file name of a case's document."""
    if "raw" in case:
        return case["raw"].encode("utf-8"), case.get("file", "case.txt")
    body = "\n".join((_cover(case), notation_to_html(case["document"])))
    return f"<html><body>\n{body}\n</body></html>".encode(), "case.html"


def notation_to_html(text: str) -> str:
    """Paragraphs and tables of the notation as HTML."""
    parts: list[str] = []
    rows: list[str] = []
    for line in [*text.split("\n"), ""]:
        stripped = line.strip()
        if stripped.startswith("|"):
            rows.append(_row(stripped))
            continue
        if rows:
            parts.append(f"<table>{''.join(rows)}</table>")
            rows = []
        if stripped:
            parts.append(f"<p>{escape(stripped)}</p>")
    return "\n".join(parts)


def _row(line: str) -> str:
    cells = []
    for cell in line[1:].split("|"):
        spanned = _SPANNED.match(cell.strip())
        width = f' colspan="{spanned[1]}"' if spanned else ""
        text = _SPANNED.sub("", cell.strip(), count=1) if spanned else cell.strip()
        cells.append(f"<td{width}>{_marked(text)}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def _marked(text: str) -> str:
    """Escaped text; `^1^` is a raised footnote mark."""
    return re.sub(r"\^(.+?)\^", r"<sup>\1</sup>", escape(text))


def _cover(case: dict[str, Any]) -> str:
    form = case.get("form")
    if form is None:
        return ""
    if form == "年度报告":
        return f"<p>{case.get('company', '测例股份有限公司')}</p><p>{case['year']} 年年度报告</p>"
    lines = [f"FORM {form}"]
    if "period_end" in case:
        lines.append(_DATE_PHRASES[form].format(case["period_end"]))
    lines += [
        case.get("company", "Testcase Industries, Inc."),
        "(Exact name of registrant as specified in its charter)",
    ]
    return "\n".join(f"<p>{escape(line)}</p>" for line in lines)
