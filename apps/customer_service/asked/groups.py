"""Past questions grouped by meaning, each group with the article that answers it, or the finding that none does.

Groups come from the encoder (`core.models.semantic_space.cluster`). Whether a group is answered is the assistant's own
decision: the questions nearest to the middle of the group are put to it, and what most of them get is the verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from apps.customer_service.dialogue.desk import Desk
from apps.customer_service.dialogue.records import Part
from apps.customer_service.dialogue.understanding import read_part
from core.models.semantic_space import Neighbour, TextEncoder, cluster, nearest
from core.privacy import without_injections, without_masks
from core.progress import ProgressCallback
from core.text import detect_language

ASKED_OF_EACH = 10
"""Questions of a group that are put to the assistant at most; a bound on time, nothing was tuned."""
EXAMPLES = 3
Verdict = Literal["answered", "several", "unclear", "unanswered"]


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that belong together.

    Attributes:
        middle: the question nearest to all of them.
        members: their places among the questions given.
        examples: other questions of the group, nearest to the middle first.
        cohesion: mean cosine to the middle.
        verdict: what the assistant does with more than half of those put to it: "answered" from one article,
            "several" articles answer them, "unanswered" (the knowledge base has nothing), or none of these: "unclear".
        article_id, title: of the article that answers most of them; "" where none does.
        answered: how many of those put to the assistant this article answers.
        unanswered: how many of them no article answers.
        put: how many were put to the assistant.
    """

    middle: str
    members: tuple[int, ...]
    examples: tuple[str, ...]
    cohesion: float
    verdict: Verdict
    article_id: str
    title: str
    answered: int
    unanswered: int
    put: int

    def __len__(self) -> int:
        return len(self.members)


@dataclass(frozen=True, slots=True)
class Grouping:
    """All groups, largest first. `silhouette` says how well they are apart, from -1 to 1."""

    groups: tuple[Group, ...]
    questions: int
    silhouette: float

    def share(self, verdict: Verdict) -> float:
        """Of all questions, those in groups with this verdict."""
        return sum(len(group) for group in self.groups if group.verdict == verdict) / self.questions


def group_questions(desk: Desk, questions: Sequence[str], progress: ProgressCallback | None = None) -> Grouping:
    """Group masked questions and hold each group against the knowledge base of `desk`.

    Marks of masked data do not count for the meaning, nor do sentences that try to instruct the assistant.

    Args:
        questions: at least one, none of them blank.
        progress: of the groups that were put to the assistant.
    """
    plain = [_plain(question) for question in questions]
    found = cluster(_encoder(desk), plain)
    groups = []
    for number, one in enumerate(found.clusters, start=1):
        order = _by_nearness(desk, plain, one.label, one.members)
        put = list(dict.fromkeys(plain[row] for row in order))[:ASKED_OF_EACH]
        parts = [read_part(desk, text, detect_language(text), None) for text in put]
        shown = list(dict.fromkeys(questions[row] for row in order))
        groups.append(_group(shown, one.members, one.cohesion, parts))
        if progress:
            progress(number, len(found.clusters))
    return Grouping(tuple(groups), len(questions), found.silhouette)


def like(desk: Desk, wanted: str, questions: Sequence[str], k: int = 10) -> list[Neighbour]:
    """The questions nearest in meaning to `wanted`, each wording once, nearest first."""
    distinct = list(dict.fromkeys(questions))
    found = nearest(_encoder(desk), wanted, [_plain(question) for question in distinct], k)
    return [Neighbour(item.index, distinct[item.index], item.similarity) for item in found]


def _group(shown: Sequence[str], members: tuple[int, ...], cohesion: float, parts: Sequence[Part]) -> Group:
    answered = Counter(part.found[0].topic for part in parts if part.decision == "answer")
    topic, most = max(answered.items(), key=lambda item: item[1], default=("", 0))
    first = next((part.found[0] for part in parts if part.decision == "answer" and part.found[0].topic == topic), None)
    unanswered = sum(part.decision == "no_answer" for part in parts)
    return Group(
        middle=shown[0],
        members=members,
        examples=tuple(shown[1 : 1 + EXAMPLES]),
        cohesion=cohesion,
        verdict=_verdict(most, answered.total(), unanswered, len(parts)),
        article_id=first.article_id if first else "",
        title=first.title if first else "",
        answered=most,
        unanswered=unanswered,
        put=len(parts),
    )


def _verdict(by_one_article: int, by_any: int, unanswered: int, put: int) -> Verdict:
    if 2 * by_one_article > put:
        return "answered"
    if 2 * by_any > put:
        return "several"
    return "unanswered" if 2 * unanswered > put else "unclear"


def _by_nearness(desk: Desk, plain: Sequence[str], middle: str, members: Sequence[int]) -> list[int]:
    """The members, nearest to the middle first; the middle itself leads."""
    vectors = desk.base.embedder.encode_queries([middle, *(plain[row] for row in members)])
    order = np.argsort(-np.round(vectors[1:] @ vectors[0], 6), kind="stable")
    return [members[int(at)] for at in order]


def _encoder(desk: Desk) -> TextEncoder:
    return cast("TextEncoder", desk.base.embedder)  # its protocol speaks of lists, the semantic space of sequences


def _plain(question: str) -> str:
    """What is compared: without marks of masked data and instructions, unless nothing else is there."""
    clean, _ = without_injections(question)
    return without_masks(clean) or without_masks(question) or question
