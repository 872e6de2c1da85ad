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
    """Like the encoder it wraps; single queries that were encoded lately cost nothing."""

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
        if len(texts) != 1:
            return self._inner.encode_queries(list(texts))
        known = self._recent.get(texts[0])
        if known is None:
            known = self._inner.encode_queries(list(texts))
            self._recent[texts[0]] = known
            if len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)
        return known.copy()

    def encode_passages(self, texts: Sequence[str], progress: ProgressCallback | None = None) -> NDArray[np.float32]:
        return self._inner.encode_passages(list(texts), progress)
