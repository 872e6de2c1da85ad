"""Dense search: exact inner product on L2-normalised vectors, by faiss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

    from core.progress import ProgressCallback


class Embedder(Protocol):
    """What turns texts into vectors. Rows are L2-normalised float32, shape `(n, dimension)`."""

    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def encode_queries(self, texts: list[str]) -> np.ndarray: ...

    def encode_passages(self, texts: list[str], progress: ProgressCallback | None = None) -> np.ndarray: ...


PROBE_TEXTS = (
    "Where is my card?",
    "The train leaves at nine in the morning.",
    "Blood pressure should be measured while sitting.",
    "The company reported a loss for the third quarter.",
    "Add the flour and stir until it is smooth.",
    "The bridge was closed because of strong wind.",
    "She plays the violin in a small orchestra.",
    "Please keep your receipt until the parcel arrives.",
    "我的卡在哪里？",
    "火车早上九点出发。",
    "量血压时应该坐着。",
    "公司第三季度出现亏损。",
    "加入面粉，搅拌到没有颗粒。",
    "因为大风，大桥暂时关闭。",
    "她在一个小乐团拉小提琴。",
    "包裹寄到之前请保留收据。",
)
"""Eight unrelated sentences in each language, by which an embedder is measured and recognised."""

_LEAST_SPREAD = 0.01


def measure_spread(embedder: Embedder) -> float:
    """One minus the mean cosine of unrelated texts: the range in which this embedder's cosines say something."""
    import numpy as np

    vectors = embedder.encode_passages(list(PROBE_TEXTS))
    cosines = (vectors @ vectors.T)[np.triu_indices(len(PROBE_TEXTS), k=1)]
    return max(_LEAST_SPREAD, 1.0 - float(cosines.mean()))


class DenseIndex:
    """A flat faiss index: exact, and fast into the hundred thousands. It holds the only copy of the vectors."""

    def __init__(self, vectors: np.ndarray) -> None:
        """Index `vectors`, float32, shape `(n, dimension)`."""
        import faiss
        import numpy as np

        self._index: Any = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(np.ascontiguousarray(vectors, dtype=np.float32))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def vectors(self) -> np.ndarray:
        """All vectors, shape `(n, dimension)`: a view into the index, not to be written to."""
        import faiss
        import numpy as np

        count, dimension = self._index.ntotal, self._index.d
        if count == 0:
            return np.zeros((0, dimension), dtype=np.float32)
        flat: np.ndarray = faiss.rev_swig_ptr(self._index.get_xb(), count * dimension)
        return flat.reshape(count, dimension)

    def search(
        self, queries: np.ndarray, count: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The `count` nearest rows of each query.

        Args:
            queries: shape `(q, dimension)`.
            allowed: bool, shape `(n,)`: rows that may be returned; None for all.

        Returns:
            scores and row numbers, shape `(q, count)`, best first; row number -1 where there are fewer.
        """
        import faiss
        import numpy as np

        parameters = None
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))  # type: ignore[call-arg,arg-type]
        scores, rows = self._index.search(np.ascontiguousarray(queries, dtype=np.float32), count, params=parameters)
        return scores, rows
