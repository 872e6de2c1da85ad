"""From what was said to what is searched: parts, follow-ups completed from the conversation, and a decision for each.

A follow-up is completed by the title of the article the conversation is about: "and how long does it take?" after an
answer on spare cards is searched as "Order a spare card: and how long does it take?". It counts as one where its form
says so (a link, a pronoun, nothing but function words), where it is too vague by itself, and where completing it makes
an article likelier that is too unlikely otherwise; not where it announces a new subject, and not where it names
something that the knowledge base clearly does not cover.
"""

from __future__ import annotations

from dataclasses import dataclass

from apps.customer_service.dialogue import utterances
from apps.customer_service.dialogue.coverage import Coverage
from apps.customer_service.dialogue.decision import decide
from apps.customer_service.dialogue.desk import Desk
from apps.customer_service.dialogue.ranking import RankedArticle, rank_articles
from apps.customer_service.dialogue.records import FoundArticle, Part
from core.text import Language

CLEARLY = 0.9
LIKELY = 0.6
_SAME_BREATH_ADVANTAGE = 0.8
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Context:
    """What the conversation is about: the title of the article that was cited, or the question that was asked back.

    `same_breath`: it was named in the very utterance that goes on now.
    """

    title: str
    same_breath: bool = False


def read_parts(desk: Desk, said: str, language: Language, context: Context | None) -> list[Part]:
    """The questions in `said`, each searched and decided. At least one.

    Several questions are taken apart only where each of them can be dealt with by itself: answered, or clearly outside.
    """
    whole = read_part(desk, said, language, context)
    pieces = utterances.split_questions(said)
    if len(pieces) < 2 or whole.decision == "clarify":
        return [whole]
    parts: list[Part] = []
    for piece in pieces:
        own = utterances.without_link(piece) if parts else piece
        parts.append(read_part(desk, own, language, _context_after(parts, context)))
    if not any(part.decision == "answer" for part in parts) or not all(map(_settled, parts)):
        return [whole]
    return parts


def read_part(desk: Desk, asked: str, language: Language, context: Context | None) -> Part:
    """One question: completed, searched, decided."""
    mended = desk.speller.mend(asked) if desk.speller and language == "en" else asked
    query = complete(desk, mended, language, context)
    ranked = rank_articles(desk.base, desk.topics, query, language)
    coverage = _judge(desk, query, language, ranked)
    return Part(
        asked=asked,
        query=query,
        decision=decide(coverage, ranked),
        verdict=coverage.verdict,
        coverage={"covered": coverage.covered, "outside": coverage.outside, "vague": coverage.vague},
        found=tuple(_found(item) for item in ranked[:_SHOWN]),
    )


def complete(desk: Desk, asked: str, language: Language, context: Context | None) -> str:
    """`asked` as it must be searched: with the subject of the conversation where it goes on from it."""
    if context is None or utterances.changes_subject(asked):
        return asked
    ranked = rank_articles(desk.base, desk.topics, asked, language)
    alone = _judge(desk, asked, language, ranked)
    if alone.outside >= CLEARLY and utterances.content_words(asked):
        return asked
    completed = f"{context.title}{'：' if language == 'zh' else ': '}{asked}"
    if utterances.leans_on_context(asked) or alone.verdict == "vague":
        return completed
    unsure = decide(alone, ranked) == "clarify" or alone.covered < CLEARLY or context.same_breath
    if unsure and alone.verdict == "covered" and _top(ranked) < LIKELY:
        needed = _top(ranked) * (_SAME_BREATH_ADVANTAGE if context.same_breath else 1.0)
        return completed if _likeliest(desk, completed, language) > needed else asked
    return asked


def _likeliest(desk: Desk, query: str, language: Language) -> float:
    return _top(rank_articles(desk.base, desk.topics, query, language))


def _top(ranked: list[RankedArticle]) -> float:
    return ranked[0].probability if ranked else 0.0


def _judge(desk: Desk, query: str, language: Language, ranked: list[RankedArticle]) -> Coverage:
    best = max((item.hit.score for item in ranked), default=0.0)
    return desk.coverage.judge(query, language, best)


def _settled(part: Part) -> bool:
    return part.decision == "answer" or part.coverage["outside"] >= CLEARLY


def _context_after(parts: list[Part], context: Context | None) -> Context | None:
    if parts and parts[-1].decision == "answer":
        return Context(parts[-1].found[0].title, same_breath=True)
    return context


def _found(item: RankedArticle) -> FoundArticle:
    return FoundArticle(
        article_id=item.article.id,
        title=item.article.title,
        topic=item.article.topic,
        lexical=item.hit.lexical,
        dense=item.hit.dense,
        fused=item.hit.score,
        topic_probability=item.topic_probability,
        probability=item.probability,
    )
