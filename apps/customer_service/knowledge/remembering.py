"""An encoder that remembers the last questions: one turn looks at the same words several times."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.progress import ProgressCallback
    from core.retrieval import Embedder

_REMEMBERED = 512


class RememberingEmbedder:
    """Like the encoder it wraps; queries that were encoded lately cost nothing."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self._recent: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def dimension(self) -> int:
        return self._inner.dimension

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        missing = [text for text in dict.fromkeys(texts) if text not in self._recent]
        if missing:
            self._recent.update(zip(missing, self._inner.encode_queries(missing), strict=True))
        rows = np.stack([self._recent[text] for text in texts])
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        return rows

    def encode_passages(self, texts: Sequence[str], progress: ProgressCallback | None = None) -> NDArray[np.float32]:
        return self._inner.encode_passages(list(texts), progress)
