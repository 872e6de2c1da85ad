"""The desk: everything the assistant decides with, opened once and shared by all conversations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apps.customer_service.dialogue.coverage import CoverageModel, coverage_by_passages, learn_coverage
from apps.customer_service.dialogue.spelling import Speller, speller
from apps.customer_service.intents.questions import read_question_bank
from apps.customer_service.intents.topics import TopicClassifier, learn_topics
from apps.customer_service.knowledge import KnowledgeBase, RememberingEmbedder, open_knowledge_base
from core.config import settings

if TYPE_CHECKING:
    from core.progress import ProgressCallback
    from core.retrieval import Embedder
    from core.retrieval.loading import OnError


@dataclass(frozen=True, slots=True)
class Desk:
    """A knowledge base with what was learnt from it.

    Attributes:
        topics: None where the articles name no questions.
        coverage: whether the base covers a question.
        speller: mends English words; None where no English encoder is at hand to tell words from slips.
    """

    base: KnowledgeBase
    topics: TopicClassifier | None
    coverage: CoverageModel
    speller: Speller | None = None


def open_desk(
    folder: Path | None = None, *, progress: ProgressCallback | None = None, on_error: OnError | None = None
) -> Desk:
    """The desk over the documents in `folder`, over the demo bank's articles where it is None.

    Args:
        progress: of building the index, which happens at first use and for what changed.
        on_error: takes each file of `folder` that cannot be read.

    Raises:
        ModelNotAvailable: an encoder is not on this machine.
        UnreadableFile, InputError: see `open_knowledge_base`.
        ConfigError: see `coverage_by_passages`.
    """
    from core.models import load_embedder

    embedder = RememberingEmbedder(load_embedder())
    base = open_knowledge_base(folder, embedder, progress=progress, on_error=on_error)
    if folder is not None or not base.has_questions:
        # Counter-examples were written for the demo bank: what is outside there may be inside another base.
        return Desk(base, None, coverage_by_passages(embedder))
    bank = read_question_bank(base)
    topics = learn_topics(bank, embedder, lambda: RememberingEmbedder(load_embedder(settings().intent_encoder)))
    return Desk(base, topics, learn_coverage(bank, embedder), _speller(base, topics.english_encoder))


def _speller(base: KnowledgeBase, english_encoder: Embedder | None) -> Speller | None:
    """A speller towards the English articles; what the English encoder has as one token is a word."""
    inner = english_encoder.inner if isinstance(english_encoder, RememberingEmbedder) else english_encoder
    tokenizer = getattr(inner, "tokenizer", None)
    if tokenizer is None:
        return None
    english = [article for article in base.articles.values() if article.language == "en"]
    texts = [text for article in english for text in (article.title, article.document.text, *article.questions)]
    return speller(texts, (token for token in tokenizer.get_vocab() if token.isalpha()))
