"""The two nouns of retrieval: a passage that can be found, and a hit that says why it was."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.evidence import TextEvidence
from core.text import Span


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that is retrieved as a whole.

    Attributes:
        span: where it lies: `document.text[span] == text`.
        heading_path: headings above it, outermost first, without the document's title.
        metadata: the document's metadata, and what holds for this passage alone (`page`, `table_header`).
        questions: other wordings under which the passage is found; each is embedded by itself.
    """

    document_id: str
    span: Span
    text: str
    language: str
    title: str = ""
    source: str = ""
    heading_path: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    questions: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.document_id}#{self.span.start}-{self.span.end}"

    @property
    def search_text(self) -> str:
        """What is indexed: title, headings and table header that the text does not itself hold, then the text."""
        context = [self.title, *self.heading_path, self.metadata.get("table_header", "")]
        return "\n".join([*(part for part in context if part and part not in self.text), self.text])


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found for a query, with the scores that brought it here kept apart.

    Attributes:
        score: fused score, by which hits are ordered unless a reranker was given; see `core.retrieval.fusion`.
        lexical: BM25 as a share of the most the query could get, 0 to 1; 0 where no token matched.
        dense: cosine of query and passage (or of the question that matched best).
        lexical_rank, dense_rank: place in either list from 1; None where that side did not find the passage.
        matched: the question of the passage that is nearest to the query, "" where its text is.
        rerank: the reranker's score, by which hits are ordered then; None without one. Other scores do not know of it.
    """

    passage: Passage
    score: float
    lexical: float
    dense: float
    lexical_rank: int | None
    dense_rank: int | None
    matched: str = ""
    rerank: float | None = None

    def evidence(self) -> TextEvidence:
        return TextEvidence(self.passage.document_id, self.passage.span, self.passage.text)
