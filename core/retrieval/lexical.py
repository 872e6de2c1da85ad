"""Lexical search: BM25 (Robertson and Zaragoza 2009) over the tokens of `core.text.tokens`, by bm25s."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.text.tokens import lexical_tokens

if TYPE_CHECKING:
    import numpy as np

K1 = 1.5
B = 0.75


class LexicalIndex:
    """BM25 scores of a fixed list of texts, as a share of the most a query could get.

    BM25 in Lucene's form gives a query term at most its inverse document frequency. Dividing by the sum of these over
    the query, terms unknown to the index included, makes scores of different queries comparable: 1 would be a text
    that holds every term of the query endlessly often, 0 one that holds none.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        import bm25s

        self.size = len(texts)
        self._engine: Any = None
        if texts:
            self._engine = bm25s.BM25(k1=K1, b=B, method="lucene")
            self._engine.index([lexical_tokens(text) or [""] for text in texts], show_progress=False)
        self._measure_terms()

    @classmethod
    def load(cls, folder: Path, size: int) -> LexicalIndex:
        """The index saved in `folder`, over `size` texts."""
        import bm25s

        loaded = cls.__new__(cls)
        loaded.size = size
        loaded._engine = bm25s.BM25.load(folder, show_progress=False, load_corpus=False) if size else None
        loaded._measure_terms()
        return loaded

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if self._engine is not None:
            self._engine.save(folder, show_progress=False)

    def scores(self, query: str) -> np.ndarray:
        """Shares in [0, 1), float32, shape `(size,)`. A query without tokens scores 0 everywhere."""
        import numpy as np

        terms = sorted(set(lexical_tokens(query)))
        if not terms or self._engine is None:
            return np.zeros(self.size, dtype=np.float32)
        vocabulary = self._engine.vocab_dict
        known = [vocabulary[term] for term in terms if term in vocabulary]
        most = float(self._idf[known].sum()) + (len(terms) - len(known)) * self._unknown_idf
        if not known:
            return np.zeros(self.size, dtype=np.float32)
        raw = self._engine.get_scores_from_ids(np.asarray(known, dtype=np.int32))
        return np.asarray(raw / most, dtype=np.float32)

    def _measure_terms(self) -> None:
        import numpy as np

        if self._engine is None:
            self._idf, self._unknown_idf = np.zeros(0), 0.0
            return
        frequency = np.diff(self._engine.scores["indptr"])  # texts that hold each term, (vocabulary,)
        self._idf = np.log1p((self.size - frequency + 0.5) / (frequency + 0.5))
        self._unknown_idf = float(np.log1p((self.size + 0.5) / 0.5))
