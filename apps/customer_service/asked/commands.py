"""`trivium utterances`: past questions grouped by meaning, with the article that answers each group."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import InputError

if TYPE_CHECKING:
    from apps.customer_service.asked.groups import Grouping
    from apps.customer_service.asked.reading import Asked
    from apps.customer_service.dialogue.desk import Desk
    from core.errors import TriviumError
    from core.text import Language

_WORDS: dict[str, dict[Language, str]] = {
    "read": {"en": "{0} questions, {1} groups", "zh": "{0} 条问题，{1} 个主题"},
    "masked": {"en": "{0} with personal data, which is masked", "zh": "{0} 条含个人信息，已隐去"},
    "empty": {"en": "{0} without words, left out", "zh": "{0} 条没有文字，已略去"},
    "cut": {"en": "{0} too long, only the beginning is taken", "zh": "{0} 条过长，只取开头"},
    "left_out": {"en": "{0} more than fit, left out", "zh": "超出上限 {0} 条，未处理"},
    "apart": {
        "en": "The groups are apart by {0} (silhouette, 1 is best)",
        "zh": "各主题的区分度为 {0}（轮廓系数，最高为 1）",
    },
    "uncovered": {
        "en": "In groups that no article answers: {0} of all questions",
        "zh": "没有文章可答的主题占全部问题的 {0}",
    },
}


def configure_utterances(parser: argparse.ArgumentParser) -> None:
    """The options of `trivium utterances`."""
    parser.add_argument("file", type=Path, help="past questions: .csv, .tsv, .jsonl or .txt (one a line)")
    parser.add_argument("--column", metavar="NAME", help="the column or key with the questions (default: by its name)")
    parser.add_argument(
        "--kb", type=Path, metavar="FOLDER", help="documents to hold them against (default: the demo bank)"
    )
    parser.add_argument("--like", metavar="QUESTION", help="list the past questions nearest to this one instead")
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help="write the groups as CSV")
    parser.add_argument("--lang", choices=("zh", "en"), default="en", help="language of the table (default: en)")
    parser.add_argument("--json", action="store_true", help="print the groups as JSON")


def run_utterances(arguments: argparse.Namespace) -> int:
    """Run `trivium utterances`; returns the exit code."""
    from apps.customer_service.asked.export import as_csv, as_data
    from apps.customer_service.asked.groups import group_questions
    from apps.customer_service.asked.reading import read_asked
    from apps.customer_service.dialogue.desk import open_desk
    from core.config import settings
    from core.files import read_bytes, write_atomic
    from core.progress import ProgressLine

    if arguments.out and arguments.out.suffix.lower() != ".csv":
        raise InputError(f"'{arguments.out}' is not named .csv.", hint="The groups are written as CSV.")
    if arguments.like is not None and not arguments.like.strip():
        raise InputError("The question after --like is empty.", hint="Name a question.")
    data = read_bytes(arguments.file, max_bytes=settings().max_upload_bytes)
    asked = read_asked(data, arguments.file.name, arguments.column)
    desk = open_desk(arguments.kb, progress=ProgressLine("Indexing the knowledge base"), on_error=_report_unreadable)
    if arguments.like:
        return _print_like(desk, arguments.like, asked, as_json=arguments.json)
    grouping = group_questions(desk, asked.questions, ProgressLine("Asking the assistant"))
    if arguments.out:
        write_atomic(arguments.out, as_csv(grouping, arguments.lang))
    if arguments.json:
        print(json.dumps({**_counts(asked), **as_data(grouping)}, ensure_ascii=False, indent=2))
    else:
        print(render(grouping, asked, arguments.lang))
    if arguments.out:
        print(f"written: {arguments.out}", file=sys.stderr)
    return 0


def render(grouping: Grouping, asked: Asked, language: Language) -> str:
    """The groups as text for a terminal, largest first."""
    from apps.customer_service.asked.export import table_rows

    lines = summary(grouping, asked, language)
    for number, size, share, middle, examples, verdict, article, tried in table_rows(grouping, language):
        lines += [
            "",
            f"{number}. {size} ({share}) {middle}",
            f"   {verdict}: {article}; {tried}" if article != "–" else f"   {verdict}; {tried}",
        ]
        if examples != "–":
            lines.append(f"   + {examples}")
    return "\n".join(lines)


def summary(grouping: Grouping, asked: Asked, language: Language) -> list[str]:
    """What was read and left out, how well the groups are apart, and how much no article answers."""

    def say(key: str, *values: object) -> str:
        return _WORDS[key][language].format(*values)

    left_out = [say(name, count) for name, count in _counts(asked).items() if count]
    return [
        say("read", grouping.questions, len(grouping.groups)),
        *left_out,
        say("apart", f"{grouping.silhouette:.2f}"),
        say("uncovered", f"{grouping.share('unanswered'):.0%}"),
    ]


def _counts(asked: Asked) -> dict[str, int]:
    return {"masked": asked.masked, "empty": asked.empty, "cut": asked.cut, "left_out": asked.left_out}


def _print_like(desk: Desk, wanted: str, asked: Asked, *, as_json: bool) -> int:
    from apps.customer_service.asked.groups import like

    found = like(desk, wanted, asked.questions)
    if as_json:
        print(
            json.dumps(
                [{"question": one.text, "similarity": round(one.similarity, 4)} for one in found],
                indent=2,
                ensure_ascii=False,
            )
        )
    else:
        print("\n".join(f"{one.similarity:.3f}  {one.text}" for one in found))
    return 0


def _report_unreadable(path: Path, error: TriviumError) -> None:
    print(f"left out: {path}: {error}", file=sys.stderr)
