"""Articles: documents of the knowledge base, with a topic and the questions they answer where their head names these.

    ---
    id: card-arrival-en
    topic: card_arrival
    language: en
    title: My new card has not arrived yet
    questions: [Where is my card?, …]
    ---
    Body.

A file without such a head, and any other format, is an article too: it has no topic but itself and no questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import UnreadableFile
from core.text import Document, Language

if TYPE_CHECKING:
    from core.retrieval.loading import OnError

DEMO_FOLDER = Path(__file__).parent / "articles"


@dataclass(frozen=True, slots=True)
class Article:
    """A document of the knowledge base."""

    document: Document

    @property
    def id(self) -> str:
        return self.document.id

    @property
    def title(self) -> str:
        return self.document.title or self.document.id

    @property
    def language(self) -> Language:
        return "zh" if self.document.language == "zh" else "en"

    @property
    def topic(self) -> str:
        """What it is about; articles that say the same in two languages share it."""
        return self.document.metadata.get("topic") or self.document.id

    @property
    def questions(self) -> tuple[str, ...]:
        """Ways in which people ask for it."""
        return tuple(filter(None, self.document.metadata.get("questions", "").split("\n")))


def load_articles(folder: Path, *, on_error: OnError | None = None) -> tuple[Article, ...]:
    """All articles under `folder`, by id.

    Args:
        on_error: takes each file that cannot be read; without it such a file ends the loading.

    Raises:
        UnreadableFile: no such folder, or nothing in it that can be read.
    """
    from core.retrieval import load_documents

    if not folder.is_dir():
        raise UnreadableFile(f"There is no folder '{folder}'.", hint="Name a folder of documents.")
    documents = load_documents(folder, on_error=on_error)
    if not documents:
        raise UnreadableFile(f"'{folder}' holds no document that can be read.", hint="Add Markdown, text or PDF files.")
    return tuple(sorted((Article(document) for document in documents), key=lambda article: article.id))
