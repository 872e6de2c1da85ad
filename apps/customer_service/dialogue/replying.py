"""Replies: answers quoted sentence by sentence, questions back, refusals, and the hand-over with its summary."""

from __future__ import annotations

from collections.abc import Sequence

from apps.customer_service.dialogue import utterances
from apps.customer_service.dialogue.answering import MAX_SENTENCES, choose_sentences
from apps.customer_service.dialogue.decision import OPTIONS
from apps.customer_service.dialogue.desk import Desk
from apps.customer_service.dialogue.records import AnswerSentence, Citation, Option, Part, Reply, Turn
from apps.customer_service.dialogue.wording import words
from apps.customer_service.knowledge import Article, CitableSentence
from core.text import Language

CONTACT_TOPIC = "contact_support"
_RELATED_PROBABILITY = 0.1
_RELATED = 2


def answer(desk: Desk, parts: Sequence[Part], language: Language) -> Reply:
    """The answer to every part that has one, with the parts that have none named."""
    answered = [part for part in parts if part.decision == "answer"]
    limit = MAX_SENTENCES if len(answered) == 1 else MAX_SENTENCES - 1
    chosen: list[tuple[Article, CitableSentence]] = []
    for part in answered:
        article = desk.base.articles[part.found[0].article_id]
        # The question itself decides what is quoted, with its subject only where that is not the article's own.
        own_subject = not part.follows or article.title in part.query
        wanted = utterances.last_question(part.asked) if own_subject else part.query
        for sentence in choose_sentences(desk.base, article, wanted, limit=limit):
            if (article, sentence) not in chosen:
                chosen.append((article, sentence))
    sentences, citations = cite(chosen)
    unanswered = tuple(part.asked for part in parts if part.decision == "no_answer")
    foreign = any(article.language != language for article, _ in chosen)
    return Reply(
        decision="answer",
        language=language,
        sentences=sentences,
        citations=citations,
        related=_related(answered),
        unanswered=unanswered,
        notices=(words("other_language", language),) if foreign else (),
        parts=tuple(parts),
    )


def cite(chosen: Sequence[tuple[Article, CitableSentence]]) -> tuple[tuple[AnswerSentence, ...], tuple[Citation, ...]]:
    """Sentences with a numbered citation each."""
    sentences, citations = [], []
    for number, (article, sentence) in enumerate(chosen, start=1):
        sentences.append(AnswerSentence(text=sentence.text, citation=number, kind=sentence.kind))
        citations.append(
            Citation(
                number=number,
                article_id=article.id,
                title=article.title,
                language=article.language,
                start=sentence.span.start,
                end=sentence.span.end,
                quote=sentence.span.of(article.document.text),
            )
        )
    return tuple(sentences), tuple(citations)


def clarify(parts: Sequence[Part], language: Language) -> Reply:
    """A question back, with the likeliest articles to choose from."""
    part = parts[0]
    options = tuple(Option(topic=found.topic, title=found.title, question=part.asked) for found in part.found[:OPTIONS])
    frame = words("clarify" if options else "clarify_open", language)
    return Reply(decision="clarify", language=language, frame=frame, options=options, parts=tuple(parts))


def decline(parts: Sequence[Part], language: Language, *, only_instructions: bool = False) -> Reply:
    """The plain word that the knowledge base has no answer."""
    frame = words("only_instructions" if only_instructions else "no_answer", language)
    return Reply(decision="no_answer", language=language, frame=frame, parts=tuple(parts))


def courtesy(language: Language, *, first: bool) -> Reply:
    """A greeting at the start of a conversation, thanks returned later."""
    return Reply(decision="courtesy", language=language, frame=words("courtesy" if first else "courtesy_end", language))


def hand_over(desk: Desk, turns: Sequence[Turn], said: str, language: Language) -> Reply:
    """The summary for a person, and how to reach one as far as the knowledge base says it."""
    contact = desk.base.in_language(CONTACT_TOPIC, language)
    chosen: list[tuple[Article, CitableSentence]] = []
    if contact is not None:
        chosen = [(contact, sentence) for sentence in desk.base.sentences(contact.id) if sentence.leads]
    sentences, citations = cite(chosen)
    frame = words("hand_over", language)
    if sentences:
        frame = f"{frame}\n{words('hand_over_contact', language)}"
    return Reply(
        decision="hand_over",
        language=language,
        frame=frame,
        sentences=sentences,
        citations=citations,
        summary=summarise(turns, said, language),
    )


def summarise(turns: Sequence[Turn], said: str, language: Language) -> str:
    """What was said and what became of it, line by line; courtesies are left out."""
    lines = [words("summary_head", language)]
    for turn in turns:
        if turn.reply.decision == "courtesy":
            continue
        lines.append(words("summary_said", language, said=turn.said))
        titles = ", ".join(dict.fromkeys(citation.title for citation in turn.reply.citations))
        lines.append(words(f"summary_{turn.reply.decision}", language, titles=titles))
    lines.append(words("summary_said", language, said=said))
    lines.append(words("summary_hand_over", language))
    return "\n".join(lines)


def _related(parts: Sequence[Part]) -> tuple[str, ...]:
    cited = {part.found[0].article_id for part in parts}
    titles = [
        found.title
        for part in parts
        for found in part.found[1:]
        if found.probability >= _RELATED_PROBABILITY and found.article_id not in cited
    ]
    return tuple(dict.fromkeys(titles))[:_RELATED]
