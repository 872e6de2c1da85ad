"""`HybridIndex`: documents in, passages out, found by their words and by their meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import InputError, UnknownName
from core.retrieval import storage
from core.retrieval.chunking import Chunking
from core.retrieval.dense import PROBE_TEXTS, Embedder, measure_spread
from core.retrieval.fusion import Fusion
from core.retrieval.passages import Hit, Passage
from core.retrieval.reranking import RERANKED, Reranker, rerank
from core.retrieval.snapshot import Snapshot, assemble, content_hash, revise
from core.text import Document

if TYPE_CHECKING:
    import numpy as np
    from langchain_core.retrievers import BaseRetriever

    from core.progress import ProgressCallback

PassageFilter = Callable[[Passage], bool]

_CHUNKING = Chunking()
_FUSION = Fusion()

_CANDIDATES = 200
"""Rows of the dense side, and passages of the lexical side, that are fused; at least 20 for each hit asked for."""

_PROBE_COSINE = 0.99
"""To what the first probe text's vector must agree with the stored one; bfloat16 and float32 agree to 0.9999."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What an update did: document ids, and how many texts were embedded for it."""

    added: tuple[str, ...]
    updated: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    embedded_texts: int


class HybridIndex:
    """Dense (faiss) and lexical (BM25) search over the passages of documents, kept on disk.

    Searches may run in several threads while another one updates: they see the state before or after.
    """

    def __init__(
        self,
        embedder: Embedder,
        path: str | Path | None = None,
        *,
        chunking: Chunking = _CHUNKING,
        fusion: Fusion = _FUSION,
    ) -> None:
        """An index kept in the folder `path`, in memory alone where it is None. Use `open` for what may exist."""
        import numpy as np

        self.embedder = embedder
        self.path = Path(path) if path is not None else None
        self.chunking = chunking
        self.fusion = fusion
        self._generation = ""
        self._spread = 0.0  # of the embedder; measured at the first update, stored with the index
        self._snapshot = assemble({}, (), np.zeros((0, embedder.dimension), dtype=np.float32))

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        embedder: Embedder,
        chunking: Chunking = _CHUNKING,
        fusion: Fusion = _FUSION,
    ) -> HybridIndex:
        """The index in the folder `path`; an empty one, written at the first `add`, where there is none.

        Raises:
            InputError: the folder holds something else, or an index built with another embedder.
            UnreadableFile: the index is damaged.
        """
        index = cls(embedder, path, chunking=chunking, fusion=fusion)
        index._reload()
        return index

    @property
    def passages(self) -> tuple[Passage, ...]:
        return self._snapshot.passages

    @property
    def document_ids(self) -> tuple[str, ...]:
        return tuple(self._snapshot.documents)

    def __len__(self) -> int:
        return len(self._snapshot.passages)

    def add(self, documents: Iterable[Document], *, progress: ProgressCallback | None = None) -> Changes:
        """Add `documents`, replacing those with the same id. Unchanged ones cost nothing; texts known are not embedded.

        Raises:
            InputError: two documents share an id, or one has no text. Nothing is changed then.
        """
        return self._update(_by_id(documents), remove=lambda _: False, progress=progress)

    def sync(self, documents: Iterable[Document], *, progress: ProgressCallback | None = None) -> Changes:
        """Like `add`, and remove every document that is not among `documents`."""
        wanted = _by_id(documents)
        return self._update(wanted, remove=lambda name: name not in wanted, progress=progress)

    def remove(self, document_ids: Iterable[str]) -> Changes:
        """Remove documents; ids that are not there are passed over (see `Changes.removed`)."""
        gone = set(document_ids)
        return self._update({}, remove=lambda name: name in gone, progress=None)

    def search(
        self,
        query: str,
        k: int = 5,
        *,
        language: str | None = None,
        filter: PassageFilter | None = None,
        one_per_document: bool = False,
        reranker: Reranker | None = None,
    ) -> list[Hit]:
        """The `k` best passages for `query`, best first.

        Args:
            language: keep passages in "zh" or "en" only. The query may be in either: the dense side crosses over.
            filter: keep passages for which it returns true.
            one_per_document: keep only the best passage of each document, best before any reranking.
            reranker: reads the best 20 hits (twice `k` if that is more) again and orders them by `Hit.rerank`; the
                other scores stay as they were.

        Raises:
            InputError: the query is blank, too long for the reranker, or `k` is below 1.
        """
        return self.search_many(
            [query], k, language=language, filter=filter, one_per_document=one_per_document, reranker=reranker
        )[0]

    def search_many(
        self,
        queries: Sequence[str],
        k: int = 5,
        *,
        language: str | None = None,
        filter: PassageFilter | None = None,
        one_per_document: bool = False,
        reranker: Reranker | None = None,
    ) -> list[list[Hit]]:
        """`search` for each of `queries`, embedded in one batch."""
        if k < 1:
            raise InputError(f"k is {k}, it must be at least 1.")
        if any(not query.strip() for query in queries):
            raise InputError("The query is empty.", hint="Ask for something.")
        snapshot = self._snapshot
        if not snapshot.passages or not queries:
            return [[] for _ in queries]
        import numpy as np

        allowed = None
        if language is not None or filter is not None:
            keep = [
                (language is None or passage.language == language) and (filter is None or filter(passage))
                for passage in snapshot.passages
            ]
            allowed = np.asarray(keep, dtype=bool)
            if not allowed.any():
                return [[] for _ in queries]
        vectors = np.asarray(self.embedder.encode_queries(list(queries)), dtype=np.float32)
        rows_allowed = None if allowed is None else np.repeat(allowed, np.diff(snapshot.offsets))
        count = min(max(_CANDIDATES, 20 * k), len(snapshot.dense))
        _, rows = snapshot.dense.search(vectors, count, rows_allowed)
        found = []
        for query, vector, nearest in zip(queries, vectors, rows, strict=True):
            hits = self._fuse(snapshot, query, vector, nearest[nearest >= 0], allowed, count)
            kept = max(RERANKED, 2 * k) if reranker else k
            hits = _first_of_each_document(hits, kept) if one_per_document else hits[:kept]
            found.append(rerank(query, hits, reranker)[:k] if reranker else hits)
        return found

    def neighbours(self, passage: Passage, k: int = 5) -> list[tuple[Passage, float]]:
        """The `k` passages whose texts are nearest in meaning to that of `passage`, with their cosines, nearest first.

        Near 1 they are near-duplicates. The passage itself is left out.

        Raises:
            UnknownName: the passage is not (or no longer) in the index.
            InputError: `k` is below 1.
        """
        import numpy as np

        if k < 1:
            raise InputError(f"k is {k}, it must be at least 1.")
        snapshot = self._snapshot
        place = next((at for at, known in enumerate(snapshot.passages) if known.id == passage.id), None)
        if place is None:
            raise UnknownName("passage", passage.id, [])
        texts = snapshot.dense.vectors[snapshot.offsets[:-1]]  # (passages, d): a passage's first row is its text
        cosines = texts @ texts[place]
        order = [int(at) for at in np.argsort(-cosines, kind="stable") if at != place][:k]
        return [(snapshot.passages[at], float(cosines[at])) for at in order]

    def as_retriever(
        self, k: int = 5, *, language: str | None = None, reranker: Reranker | None = None
    ) -> BaseRetriever:
        """This index as a LangChain retriever."""
        from core.retrieval.langchain_adapters import HybridRetriever

        return HybridRetriever(index=self, k=k, language=language, reranker=reranker)

    def _fuse(
        self,
        snapshot: Snapshot,
        query: str,
        vector: np.ndarray,
        nearest: np.ndarray,
        allowed: np.ndarray | None,
        count: int,
    ) -> list[Hit]:
        """All candidates of either side for one query, with their scores, best first."""
        import numpy as np

        lexical = snapshot.lexical.scores(query)  # (passages,)
        if allowed is not None:
            lexical = np.where(allowed, lexical, 0.0)
        by_words = np.argsort(-lexical, kind="stable")[:count]
        by_words = by_words[lexical[by_words] > 0]
        by_meaning = np.asarray(
            list(dict.fromkeys((np.searchsorted(snapshot.offsets, nearest, side="right") - 1).tolist())), dtype=np.int64
        )
        candidates = np.union1d(by_words, by_meaning)  # passages, ascending
        starts, stops = snapshot.offsets[candidates], snapshot.offsets[candidates + 1]
        runs = np.cumsum([0, *(stops - starts)[:-1]])
        rows = np.concatenate([np.arange(start, stop) for start, stop in zip(starts, stops, strict=True)])
        cosines = snapshot.dense.vectors[rows] @ vector  # (rows,)
        pooled = self.fusion.pool(cosines, runs, self._spread)
        scores = self.fusion.scores(lexical[candidates], pooled, self._spread)
        word_rank = {int(passage): rank for rank, passage in enumerate(by_words, start=1)}
        meaning_rank = {int(passage): rank for rank, passage in enumerate(by_meaning, start=1)}
        hits = []
        for at in np.argsort(-scores, kind="stable"):
            number = int(candidates[at])
            passage = snapshot.passages[number]
            own = cosines[runs[at] : runs[at] + stops[at] - starts[at]]
            best = int(own.argmax())
            hits.append(
                Hit(
                    passage=passage,
                    score=float(scores[at]),
                    lexical=float(lexical[number]),
                    dense=float(own[best]),
                    lexical_rank=word_rank.get(number),
                    dense_rank=meaning_rank.get(number),
                    matched=passage.questions[best - 1] if best else "",
                )
            )
        return hits

    def _update(
        self, wanted: dict[str, Document], *, remove: Callable[[str], bool], progress: ProgressCallback | None
    ) -> Changes:
        if self.path is None:
            self._snapshot, changes = self._revised(wanted, remove, progress)
            return changes
        with storage.write_lock(self.path):
            self._reload()
            snapshot, changes = self._revised(wanted, remove, progress)
            if snapshot is not self._snapshot:
                manifest = storage.save_snapshot(
                    self.path, snapshot, embedder=self.embedder.name, probe=self._probe(), spread=self._spread
                )
                self._generation = manifest.generation
                self._snapshot = snapshot
        return changes

    def _revised(
        self, wanted: dict[str, Document], remove: Callable[[str], bool], progress: ProgressCallback | None
    ) -> tuple[Snapshot, Changes]:
        """What the index would be; the very same snapshot where nothing changes."""
        old = self._snapshot
        hashes = {name: content_hash(document, self.chunking) for name, document in wanted.items()}
        added = tuple(name for name in hashes if name not in old.documents)
        updated = tuple(name for name in hashes if name in old.documents and old.documents[name] != hashes[name])
        removed = tuple(name for name in old.documents if remove(name))
        same = tuple(name for name in old.documents if name in hashes and name not in updated)
        if not (added or updated or removed):
            return old, Changes((), (), (), same, 0)
        self._spread = self._spread or measure_spread(self.embedder)
        documents = {name: digest for name, digest in old.documents.items() if not remove(name)} | hashes
        changed = {name: wanted[name] for name in (*added, *updated)}
        snapshot, embedded = revise(old, documents, changed, self.chunking, self.embedder, progress)
        return snapshot, Changes(added, updated, removed, same, embedded)

    def _reload(self) -> None:
        """Take over what is on disk, where that is newer or not yet read."""
        assert self.path is not None
        manifest = storage.read_manifest(self.path)
        if manifest is None or manifest.generation == self._generation:
            return
        self._check_embedder(manifest)
        self._spread = manifest.spread
        self._snapshot = storage.load_snapshot(self.path, manifest)
        self._generation = manifest.generation

    def _check_embedder(self, manifest: storage.Manifest) -> None:
        import numpy as np

        told = (
            f"The index '{self.path}' was built with the embedder '{manifest.embedder}' ({manifest.dimension} numbers)"
        )
        hint = f"Open it with '{manifest.embedder}', or delete the folder and index the documents again."
        if (manifest.embedder, manifest.dimension) != (self.embedder.name, self.embedder.dimension):
            raise InputError(f"{told}, not with '{self.embedder.name}' ({self.embedder.dimension}).", hint=hint)
        if float(np.dot(manifest.probe, self._probe())) < _PROBE_COSINE:
            raise InputError(f"{told}, but that embedder's weights have changed since.", hint=hint)

    def _probe(self) -> list[float]:
        return [float(value) for value in self.embedder.encode_passages([PROBE_TEXTS[0]])[0]]


def _by_id(documents: Iterable[Document]) -> dict[str, Document]:
    by_id: dict[str, Document] = {}
    for document in documents:
        if document.id in by_id:
            other = by_id[document.id]
            raise InputError(
                f"Two documents have the id '{document.id}': '{other.source}' and '{document.source}'.",
                hint="Give each an id of its own.",
            )
        by_id[document.id] = document
    return by_id


def _first_of_each_document(hits: list[Hit], k: int) -> list[Hit]:
    first: dict[str, Hit] = {}
    for hit in hits:
        first.setdefault(hit.passage.document_id, hit)
    return list(first.values())[:k]
