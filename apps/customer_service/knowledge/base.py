"""The knowledge base: articles, their index on disk, and what can be cited from them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from apps.customer_service.knowledge.articles import DEMO_FOLDER, Article, load_articles
from apps.customer_service.knowledge.sentences import CitableSentence, citable_sentences
from core.config import settings
from core.errors import InputError, UnreadableFile
from core.text import Language

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.progress import ProgressCallback
    from core.retrieval import Embedder, Hit, HybridIndex
    from core.retrieval.loading import OnError


@dataclass(frozen=True, slots=True, eq=False)
class KnowledgeBase:
    """Articles that can be searched. `name` is shown to people."""

    name: str
    articles: dict[str, Article]
    index: HybridIndex
    embedder: Embedder
    _sentences: dict[str, list[CitableSentence]] = field(default_factory=dict)
    _vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def languages(self) -> tuple[Language, ...]:
        return tuple(sorted({article.language for article in self.articles.values()}))

    @property
    def has_questions(self) -> bool:
        """Whether most articles say which questions they answer, so that topics can be learnt from them."""
        asked = sum(bool(article.questions) for article in self.articles.values())
        return asked > len(self.articles) / 2

    def search(self, query: str, language: Language, *, k: int) -> list[Hit]:
        """The best passage of each of the `k` best articles, in `language` where the base has any in it."""
        only = language if language in self.languages else None
        return self.index.search(query, k, language=only, one_per_document=True)

    def sentences(self, article_id: str) -> list[CitableSentence]:
        """The citable sentences of an article."""
        if article_id not in self._sentences:
            self._sentences[article_id] = citable_sentences(self.articles[article_id].document)
        return self._sentences[article_id]

    def sentence_vectors(self, article_id: str) -> NDArray[np.float32]:
        """`(n, d)` vectors of these sentences, each encoded under its heading."""
        if article_id not in self._vectors:
            self._vectors[article_id] = self.embedder.encode_passages(
                [sentence.in_context for sentence in self.sentences(article_id)]
            )
        return self._vectors[article_id]

    def encode_sentences(self, progress: ProgressCallback | None = None) -> None:
        """Encode the sentences of all articles at once, which the encoder's cache on disk remembers."""
        texts = {name: [sentence.in_context for sentence in self.sentences(name)] for name in self.articles}
        vectors = self.embedder.encode_passages([text for group in texts.values() for text in group], progress)
        at = 0
        for name, group in texts.items():
            self._vectors[name] = vectors[at : at + len(group)]
            at += len(group)

    def in_language(self, topic: str, language: Language) -> Article | None:
        """The article on `topic`, in `language` if there is one, else in the other."""
        on_topic = [article for article in self.articles.values() if article.topic == topic]
        return next((a for a in on_topic if a.language == language), on_topic[0] if on_topic else None)


def open_knowledge_base(
    folder: Path | None,
    embedder: Embedder,
    *,
    progress: ProgressCallback | None = None,
    on_error: OnError | None = None,
) -> KnowledgeBase:
    """The knowledge base in `folder` (None: the demo bank's), its index built or brought up to date.

    Args:
        on_error: takes each file that cannot be read; without it such a file is an error.

    Raises:
        UnreadableFile: no such folder, or nothing in it that can be read.
        InputError: two documents share an id.
    """
    place = (folder or DEMO_FOLDER).expanduser()
    articles = load_articles(place, on_error=on_error)
    index = _open_index(_index_path(place, embedder.name), embedder)
    index.sync([article.document for article in articles], progress=progress)
    base = _knowledge_base(place, articles, index, embedder)
    base.encode_sentences(progress)
    return base


def knowledge_base_in_memory(articles: Iterable[Article], embedder: Embedder, name: str = "memory") -> KnowledgeBase:
    """A knowledge base that is kept nowhere: for tests and calibration."""
    from core.retrieval import HybridIndex

    held = tuple(articles)
    index = HybridIndex(embedder)
    index.add([article.document for article in held])
    return _knowledge_base(Path(name), held, index, embedder)


def _knowledge_base(
    place: Path, articles: tuple[Article, ...], index: HybridIndex, embedder: Embedder
) -> KnowledgeBase:
    name = "Larkspur Bank 飞燕银行" if place.resolve() == DEMO_FOLDER.resolve() else place.name
    return KnowledgeBase(name, {article.id: article for article in articles}, index, embedder)


def _open_index(path: Path, embedder: Embedder) -> HybridIndex:
    """The index in the cache folder, begun anew where it is damaged or of another format or encoder.

    It is derived from the articles, so nothing is lost, and building it shows its progress.
    """
    from core.retrieval import HybridIndex

    try:
        return HybridIndex.open(path, embedder=embedder)
    except (InputError, UnreadableFile):
        shutil.rmtree(path)
        return HybridIndex.open(path, embedder=embedder)


def _index_path(folder: Path, embedder: str) -> Path:
    """One index for each folder and embedder."""
    digest = hashlib.sha256(f"{folder.resolve()}\n{embedder}".encode()).hexdigest()[:12]
    return settings().cache_dir / "customer_service" / f"{folder.name}-{digest}.index"
