"""Groups of past questions as a table, and as CSV that a spreadsheet does not run."""

from __future__ import annotations

from collections.abc import Mapping

from apps.customer_service.asked.groups import Group, Grouping
from core.report import to_csv
from core.text import Language

WORDS: Mapping[str, Mapping[Language, str]] = {
    "group": {"en": "Group", "zh": "主题"},
    "questions": {"en": "Questions", "zh": "问题数"},
    "share": {"en": "Share", "zh": "占比"},
    "middle": {"en": "Typical question", "zh": "典型问题"},
    "examples": {"en": "Others", "zh": "其他示例"},
    "verdict": {"en": "Knowledge base", "zh": "知识库"},
    "article": {"en": "Article", "zh": "文章"},
    "tried": {"en": "Tried", "zh": "试答"},
    "answered": {"en": "✓ answered", "zh": "✓ 有答案"},
    "several": {"en": "✓ answered, from several articles", "zh": "✓ 有答案，来自多篇文章"},
    "unclear": {"en": "? asked back, or mixed", "zh": "？需反问或不一致"},
    "unanswered": {"en": "∅ no article", "zh": "∅ 没有文章"},
    "by_it": {"en": "{} of {} answered by it", "zh": "{1} 条中该文可答 {0} 条"},
    "by_none": {"en": "{} of {} answered by none", "zh": "{1} 条中 {0} 条没有答案"},
}
_COLUMNS = ("group", "questions", "share", "middle", "examples", "verdict", "article", "tried")


def table_header(language: Language) -> list[str]:
    """Names of the columns of `table_rows`."""
    return [WORDS[name][language] for name in _COLUMNS]


def table_rows(grouping: Grouping, language: Language) -> list[list[str]]:
    """One row a group, largest first; the verdict in words."""
    return [_row(number, group, grouping.questions, language) for number, group in enumerate(grouping.groups, start=1)]


def as_csv(grouping: Grouping, language: Language) -> str:
    """The same table as CSV, in which a question is never a formula."""
    return to_csv(table_header(language), table_rows(grouping, language))


def as_data(grouping: Grouping) -> dict[str, object]:
    """The same as plain data for JSON."""
    return {
        "questions": grouping.questions,
        "silhouette": round(grouping.silhouette, 4),
        "groups": [
            {
                "questions": len(group),
                "middle": group.middle,
                "examples": list(group.examples),
                "cohesion": round(group.cohesion, 4),
                "verdict": group.verdict,
                "article_id": group.article_id or None,
                "title": group.title or None,
                "tried": group.put,
                "answered": group.answered,
                "unanswered": group.unanswered,
            }
            for group in grouping.groups
        ],
    }


def _row(number: int, group: Group, questions: int, language: Language) -> list[str]:
    named = bool(group.title) and group.verdict != "unanswered"  # the article of a stray answer would only mislead
    by_it = WORDS["by_it"][language].format(group.answered, group.put)
    by_none = WORDS["by_none"][language].format(group.unanswered, group.put)
    return [
        str(number),
        str(len(group)),
        f"{len(group) / questions:.0%}",
        group.middle,
        " / ".join(group.examples) or "–",
        WORDS[group.verdict][language],
        f"{group.title} ({group.article_id})" if named else "–",
        by_it if named else by_none,
    ]
