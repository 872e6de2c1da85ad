"""Conversations as tests: what is said, and what must and must not come back.

    - id: asks about a fee
      language: en
      turns:
        - say: What does a spare card cost?
          expect: {decision: answer, topics: [getting_spare_card], states: ["6"], says_not: [free]}

`expect` is optional and may name: `decision` (one or several allowed), `topics` (the first cited article has one of
these), `also` (some cited article has one of these), `intent` (the likeliest topic), `cites` (ids of articles that must
be cited), `states` (numbers or words that must stand in the answer), `says_not`, `language`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from apps.customer_service.dialogue.assistant import Assistant, new_conversation
from apps.customer_service.dialogue.records import Decision, Reply
from apps.customer_service.knowledge import KnowledgeBase
from core.errors import InputError
from core.text import Language

ASPECTS = ("decision", "article", "fact", "citation", "language")


class _Checked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Expectation(_Checked):
    """What must hold of one reply; an aspect that is not named is not judged."""

    decision: tuple[Decision, ...] = ()
    topics: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    intent: str = ""
    cites: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    says_not: tuple[str, ...] = ()
    language: Language | None = None

    @field_validator("decision", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class ExpectedTurn(_Checked):
    """One utterance."""

    say: str
    expect: Expectation = Expectation()


class Conversation(_Checked):
    """A conversation with what is expected of each reply."""

    id: str
    language: Language
    turns: tuple[ExpectedTurn, ...]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class JudgedTurn:
    """A reply with the verdict on each aspect that was judged."""

    conversation: Conversation
    number: int
    reply: Reply
    verdicts: dict[str, bool]

    @property
    def right(self) -> bool:
        return all(self.verdicts.values())

    def describe(self) -> str:
        """The failure in one line."""
        turn = self.conversation.turns[self.number]
        wrong = ", ".join(name for name, right in self.verdicts.items() if not right)
        cited = ", ".join(dict.fromkeys(citation.article_id for citation in self.reply.citations))
        name = f"{self.conversation.id}.{self.number + 1}"
        return f"{name} “{turn.say}”: wrong {wrong}; {self.reply.decision} {cited}".strip()


def read_conversations(path: Path) -> list[Conversation]:
    """The conversations in a YAML file. Raises `InputError` where one is malformed."""
    try:
        return [Conversation.model_validate(item) for item in yaml.safe_load(path.read_text(encoding="utf-8"))]
    except (yaml.YAMLError, ValidationError, TypeError) as error:
        raise InputError(
            f"'{path.name}' holds no conversations: {error}", hint="See the fields at its head."
        ) from error


def judge_conversation(assistant: Assistant, conversation: Conversation) -> list[JudgedTurn]:
    """Hold the conversation and judge every reply; nothing of it is kept."""
    name = new_conversation()
    judged = []
    for number, turn in enumerate(conversation.turns):
        reply = assistant.ask(turn.say, name)
        verdicts = judge(reply, turn.expect, conversation.language, assistant.desk.base)
        judged.append(JudgedTurn(conversation, number, reply, verdicts))
    assistant.forget(name)
    return judged


def judge(reply: Reply, expected: Expectation, language: Language, base: KnowledgeBase) -> dict[str, bool]:
    """The verdict on each aspect that `expected` names, and on citation wherever something is cited."""
    verdicts = {"language": reply.language == (expected.language or language)}
    if expected.decision:
        verdicts["decision"] = reply.decision in expected.decision
    if "answer" in expected.decision and (expected.topics or expected.cites or expected.intent):
        skipped = reply.decision in expected.decision and reply.decision != "answer"
        verdicts["article"] = skipped or _right_articles(reply, expected, base)
    if expected.states or expected.says_not:
        verdicts["fact"] = _states(reply, expected.states) and not _says_any(reply, expected.says_not)
    if reply.sentences:
        verdicts["citation"] = quotes_hold(reply, base)
    return verdicts


def quotes_hold(reply: Reply, base: KnowledgeBase) -> bool:
    """Whether every sentence has a citation, and every citation quotes its article word for word at its span."""
    numbers = {citation.number for citation in reply.citations}
    verbatim = all(
        base.articles[citation.article_id].document.text[citation.start : citation.end] == citation.quote != ""
        for citation in reply.citations
    )
    return verbatim and all(sentence.citation in numbers for sentence in reply.sentences)


def summarise_aspects(judged: Sequence[JudgedTurn]) -> dict[str, tuple[int, int]]:
    """`(right, judged)` by aspect, and under "turn" for turns that are right in everything."""
    counts = {
        aspect: (
            sum(turn.verdicts[aspect] for turn in judged if aspect in turn.verdicts),
            sum(aspect in turn.verdicts for turn in judged),
        )
        for aspect in ASPECTS
    }
    return {**counts, "turn": (sum(turn.right for turn in judged), len(judged))}


def _right_articles(reply: Reply, expected: Expectation, base: KnowledgeBase) -> bool:
    cited = [base.articles[citation.article_id] for citation in reply.citations]
    if not cited:
        return False
    topics = [article.topic for article in cited]
    first = not expected.topics or topics[0] in expected.topics
    also = not expected.also or any(topic in expected.also for topic in topics)
    intent = not expected.intent or (reply.parts and reply.parts[0].found[0].topic == expected.intent)
    named = set(expected.cites) <= {article.id for article in cited}
    return bool(first and also and intent and named)


def _states(reply: Reply, wanted: Sequence[str]) -> bool:
    said = " ".join(sentence.text for sentence in reply.sentences)
    return all(_contains(said, item) for item in wanted)


def _says_any(reply: Reply, unwanted: Sequence[str]) -> bool:
    said = "\n".join([reply.frame, *(sentence.text for sentence in reply.sentences)])
    return any(_contains(said, item) for item in unwanted)


def _contains(text: str, item: str) -> bool:
    """A number must stand by itself ("5" is not in "15" or "5,000"); words are found anywhere, whatever their case."""
    if item[0].isdigit():
        return re.search(rf"(?<![\d.,:]){re.escape(item)}(?![\d:]|[.,]\d)", text) is not None
    return item.lower() in text.lower()
