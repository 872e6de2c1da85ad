"""The content of an index at one moment, and how it is made anew from the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import InputError, InternalError
from core.retrieval.chunking import CHUNKING_VERSION, Chunking, chunk
from core.retrieval.dense import DenseIndex, Embedder
from core.retrieval.lexical import LexicalIndex
from core.retrieval.passages import Passage
from core.text import Document

if TYPE_CHECKING:
    import numpy as np

    from core.progress import ProgressCallback


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a search needs; never changed once made, so searches may run while the next one is built.

    The dense side has a row for each wording of a passage: its text, then its questions. Rows
    `offsets[i]:offsets[i + 1]` are those of `passages[i]`. The lexical side joins them to one text a passage.

    Attributes:
        documents: content hash by document id, in index order.
        offsets: int64, shape `(passages + 1,)`.
    """

    documents: Mapping[str, str]
    passages: tuple[Passage, ...]
    offsets: np.ndarray
    dense: DenseIndex
    lexical: LexicalIndex

    @property
    def wordings(self) -> list[str]:
        """The texts behind the rows of the dense side."""
        return [wording for passage in self.passages for wording in _wordings(passage)]


def assemble(documents: Mapping[str, str], passages: Iterable[Passage], vectors: np.ndarray) -> Snapshot:
    """A snapshot of `passages` with `vectors`, shape `(wordings, dimension)`."""
    passages = tuple(passages)
    lexical = LexicalIndex(["\n".join(_wordings(passage)) for passage in passages])
    return Snapshot(documents, passages, row_offsets(passages), DenseIndex(vectors), lexical)


def row_offsets(passages: Iterable[Passage]) -> np.ndarray:
    """Where each passage's rows begin, and the total at the end."""
    import numpy as np

    return np.cumsum([0, *(1 + len(passage.questions) for passage in passages)], dtype=np.int64)


def content_hash(document: Document, chunking: Chunking) -> str:
    """Changes with anything of the document, or of the chunking, that the index depends on."""
    described = [
        document.id,
        document.text,
        document.language,
        document.title,
        document.source,
        sorted(document.metadata.items()),
        [chunking.target_tokens, chunking.maximum_tokens, CHUNKING_VERSION],
    ]
    return hashlib.sha256(json.dumps(described, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


def revise(
    old: Snapshot,
    documents: Mapping[str, str],
    changed: Mapping[str, Document],
    chunking: Chunking,
    embedder: Embedder,
    progress: ProgressCallback | None = None,
) -> tuple[Snapshot, int]:
    """The snapshot after `old`, holding exactly `documents` (hash by id), those in `changed` being chunked anew.

    Returns:
        the snapshot, and how many wordings had to be embedded: only those whose text the old one did not hold.
    """
    import numpy as np

    kept: dict[str, list[Passage]] = {}
    for passage in old.passages:
        kept.setdefault(passage.document_id, []).append(passage)
    passages: list[Passage] = []
    for name in documents:
        passages.extend(_chunk(changed[name], chunking) if name in changed else kept[name])

    known = {wording: row for row, wording in enumerate(old.wordings)}
    wanted = [wording for passage in passages for wording in _wordings(passage)]
    fresh = list(dict.fromkeys(wording for wording in wanted if wording not in known))
    table = old.dense.vectors
    if fresh:
        table = np.concatenate([table, _embed(fresh, embedder, progress)])
        known.update({wording: len(old.wordings) + at for at, wording in enumerate(fresh)})
    rows = np.asarray([known[wording] for wording in wanted], dtype=np.int64)
    return assemble(documents, passages, table[rows]), len(fresh)


def _chunk(document: Document, chunking: Chunking) -> list[Passage]:
    passages = chunk(document, chunking)
    if not passages:
        raise InputError(f"The document '{document.id}' has no text.", hint="Leave it out, or give it text.")
    return passages


def _wordings(passage: Passage) -> list[str]:
    return [passage.search_text, *passage.questions]


def _embed(texts: list[str], embedder: Embedder, progress: ProgressCallback | None) -> np.ndarray:
    import numpy as np

    vectors = np.asarray(embedder.encode_passages(texts, progress), dtype=np.float32)
    if vectors.shape != (len(texts), embedder.dimension) or not np.isfinite(vectors).all():
        raise InternalError(
            f"The embedder '{embedder.name}' gave an array of shape {vectors.shape} for {len(texts)} texts, "
            f"or numbers that are not finite."
        )
    return vectors
