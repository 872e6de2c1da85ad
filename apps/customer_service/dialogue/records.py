"""What a turn of a conversation leaves behind: the reply, its citations, and why it came out so.

Everything here is stored with the conversation, so it is plain data that reads back from JSON.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from core.evidence import TextEvidence
from core.inference.phrase import Attempt
from core.text import Language, Span

Decision = Literal["answer", "clarify", "no_answer", "hand_over", "courtesy"]


class Record(BaseModel):
    """An immutable record that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Citation(Record):
    """A quotation from an article. `number` is how the reply refers to it; `start`, `end` span the article's text."""

    number: int
    article_id: str
    title: str
    language: Language
    start: int
    end: int
    quote: str

    def evidence(self) -> TextEvidence:
        return TextEvidence(self.article_id, Span(self.start, self.end), self.quote)


class AnswerSentence(Record):
    """A sentence of an answer and the quotation it rests on.

    Attributes:
        kind: "sentence", "item", "step" or "row": what of the article is quoted.
        rewritten: a language model wrote `text`; it was checked against the quotation.
        rejected: why nothing of what the model wrote was kept; "" where there is nothing to tell.
        attempts: all that the model wrote, with scores and reasons.
    """

    text: str
    citation: int
    kind: str = "sentence"
    rewritten: bool = False
    rejected: str = ""
    attempts: tuple[Attempt, ...] = ()


class Option(Record):
    """Something to choose: an article that may be meant. `question` is what it would answer."""

    topic: str
    title: str
    question: str


class FoundArticle(Record):
    """An article considered, with every score that counted."""

    article_id: str
    title: str
    topic: str
    lexical: float
    dense: float
    fused: float
    topic_probability: float | None
    probability: float


class Part(Record):
    """One question of what was said, and what became of it.

    Attributes:
        asked: as it was said.
        query: as it was searched; differs where it went on from the conversation.
        verdict, coverage: the likeliest case, and the probabilities of covered, outside and vague.
    """

    asked: str
    query: str
    decision: Decision
    verdict: str
    coverage: dict[str, float]
    found: tuple[FoundArticle, ...]

    @property
    def follows(self) -> bool:
        """Whether the question was completed from the conversation."""
        return self.asked != self.query


class Reply(Record):
    """What the assistant says.

    Attributes:
        frame: the words around the sentences: ours, never a model's and never from a document.
        related: titles of articles worth a look.
        unanswered: questions of the turn that no article answers.
        notices: remarks on how the reply came about (masking, instructions ignored, language of the source).
        summary: of the conversation, where it is handed over.
        seconds: by step.
    """

    decision: Decision
    language: Language
    frame: str = ""
    sentences: tuple[AnswerSentence, ...] = ()
    citations: tuple[Citation, ...] = ()
    options: tuple[Option, ...] = ()
    related: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    summary: str = ""
    parts: tuple[Part, ...] = ()
    seconds: dict[str, float] = {}

    @property
    def topics(self) -> tuple[str, ...]:
        """Topics answered, in order."""
        return tuple(part.found[0].topic for part in self.parts if part.decision == "answer" and part.found)

    def text(self) -> str:
        """The reply as plain text, citations as [n]."""
        body = "\n".join(f"{sentence.text} [{sentence.citation}]" for sentence in self.sentences)
        options = "\n".join(f"{number}. {option.title}" for number, option in enumerate(self.options, start=1))
        return "\n".join(part for part in (self.frame, body, options) if part)


class Turn(Record):
    """One exchange. `said` is masked: personal data never reaches the store."""

    said: str
    reply: Reply
