"""Texts as points: similarity, neighbours, diverse choice, analogy and clusters, as functions on an embedder.

All texts here are of one kind (utterances, titles, words), so they are encoded alike, as texts that ask; finding the
passage that answers a question is `core.retrieval`'s work. Nothing is drawn at random: equal input, equal result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]
    Labels = npt.NDArray[np.int64]

_LEAST_MEAN_SIZE = 5
_MOST_CLUSTERS = 150
_STEP = 1.2
_STARTS = 3


class TextEncoder(Protocol):
    """What is needed of an embedder: unit vectors, one row a text (`core.models.load_embedder` gives one)."""

    def encode_queries(self, texts: Sequence[str]) -> Vectors: ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One of the texts given: its place among them, and its cosine to what was asked for."""

    index: int
    text: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """Texts that belong together.

    Attributes:
        label: the medoid, the member with the highest mean cosine to all members; a real text, not a made-up name.
        members: places of the member texts among those given, ascending.
        cohesion: mean cosine of the members to the label.
    """

    label: str
    members: tuple[int, ...]
    cohesion: float

    def __len__(self) -> int:
        return len(self.members)


@dataclass(frozen=True, slots=True)
class Clustering:
    """Clusters, largest first, and how well they are apart: the mean silhouette, from -1 to 1 (near 0: hardly)."""

    clusters: tuple[Cluster, ...]
    silhouette: float


def similarity(embedder: TextEncoder, texts: Sequence[str], others: Sequence[str]) -> Vectors:
    """Cosines of each text with each of the others, `(n, m)`.

    What a cosine means depends on the encoder: with multilingual-e5-small unrelated texts already lie near 0.8.
    """
    result: Vectors = embedder.encode_queries(_listed(texts)) @ embedder.encode_queries(_listed(others)).T
    return result


def nearest(embedder: TextEncoder, query: str, texts: Sequence[str], k: int = 5) -> list[Neighbour]:
    """The `k` texts nearest to `query`, nearest first, the earlier of equals first; fewer where there are fewer.

    Raises:
        InputError: `k` is below 1.
    """
    _check_count(k)
    if not texts:
        return []
    return _ranked(similarity(embedder, [query], texts)[0], texts, k)


def diverse(
    embedder: TextEncoder, query: str, texts: Sequence[str], k: int = 5, *, relevance: float = 0.5
) -> list[Neighbour]:
    """`k` texts near to `query` and unlike one another, in the order they were chosen.

    See `maximal_marginal_relevance`; `relevance` is its weight. Raises `InputError` as it does.
    """
    if not texts:
        _check_count(k)
        return []
    vectors = embedder.encode_queries(_listed(texts))
    to_query = vectors @ embedder.encode_queries([query])[0]
    chosen = maximal_marginal_relevance(to_query, vectors, k, relevance=relevance)
    return [Neighbour(index, texts[index], float(to_query[index])) for index in chosen]


def maximal_marginal_relevance(to_query: Vectors, vectors: Vectors, k: int, *, relevance: float = 0.5) -> list[int]:
    """Places of `k` rows, each next one the best by nearness to the query less likeness to a row already chosen.

    Carbonell & Goldstein 1998, section 2: argmax of `w * sim(row, query) - (1 - w) * max sim(row, chosen)`, `w` being
    `relevance`; 1 is plain nearness, 0 looks at difference alone (the first row is the nearest even then).

    Args:
        to_query: similarity of each row to the query, `(n,)`.
        vectors: unit rows, `(n, d)`.

    Raises:
        InputError: `k` is below 1 or `relevance` not from 0 to 1.
    """
    import numpy as np

    _check_count(k)
    if not 0 <= relevance <= 1:
        raise InputError(f"relevance is {relevance}.", hint="Use a weight from 0 to 1.")
    if len(vectors) == 0:
        return []
    chosen = [int(np.argmax(to_query))]
    likeness = vectors @ vectors[chosen[0]]  # (n,), to the nearest chosen row
    while len(chosen) < min(k, len(vectors)):
        margin = relevance * np.asarray(to_query) - (1 - relevance) * likeness
        margin[chosen] = -np.inf
        chosen.append(int(margin.argmax()))
        likeness = np.maximum(likeness, vectors @ vectors[chosen[-1]])
    return chosen


def analogy(embedder: TextEncoder, a: str, b: str, c: str, candidates: Sequence[str], k: int = 1) -> list[Neighbour]:
    """The candidates that are to `c` as `b` is to `a`: nearest to `b - a + c`.

    3CosAdd of Mikolov, Yih & Zweig 2013, section 4; the three given texts are never an answer. The similarity is the
    cosine with the normalised sum. Sentence encoders keep far less of this structure than word vectors do.

    Raises:
        InputError: no candidate but the given ones, or `k` is below 1.
    """
    import numpy as np

    _check_count(k)
    left = [index for index, text in enumerate(candidates) if text not in (a, b, c)]
    if not left:
        raise InputError("There is no candidate besides the three texts given.", hint="Give other candidates.")
    first, second, third = embedder.encode_queries([a, b, c])
    wanted = second - first + third
    wanted = wanted / max(float(np.linalg.norm(wanted)), 1e-12)
    cosines = embedder.encode_queries([candidates[index] for index in left]) @ wanted
    found = _ranked(cosines, [candidates[index] for index in left], k)
    return [Neighbour(left[item.index], item.text, item.similarity) for item in found]


def cluster(embedder: TextEncoder, texts: Sequence[str], *, most: int = _MOST_CLUSTERS) -> Clustering:
    """Texts grouped by meaning, as many groups as are best apart; at least two where there are four different texts.

    k-means (Lloyd 1982) on the vectors less their mean; k of the largest mean silhouette by cosine (Rousseeuw 1987)
    among 2, 3, 4, 5, 6 and so on by fifths up to `most`, and up to a fifth of the different texts. Equal texts are
    always together, and the order of the texts changes nothing but the places of the members. Fewer than four
    different texts are one cluster with silhouette 0.

    The way was chosen on samples of 38 BANKING77 labels and on SMP2017's training part, against Ward's and average
    linkage, vectors with their mean, other bounds on k, and the Calinski-Harabasz criterion, which takes far too few.

    Raises:
        InputError: `most` is below 2, or a text is blank.
    """
    import numpy as np

    texts = _listed(texts)
    if most < 2 or not all(text.strip() for text in texts):
        raise InputError("A text to cluster is blank, or `most` is below 2.", hint="Leave out what is blank.")
    distinct = sorted(set(texts))
    if not distinct:
        return Clustering((), 0.0)
    vectors = embedder.encode_queries(distinct)
    labels, apart = _best_partition(_centred(vectors), most)
    of_text = dict(zip(distinct, labels.tolist(), strict=True))
    row = {text: number for number, text in enumerate(distinct)}
    clusters = []
    for number in range(int(labels.max()) + 1):
        members = [index for index, text in enumerate(texts) if of_text[text] == number]
        own = vectors[[row[texts[index]] for index in members]]  # (m, d), equal texts as often as they occur
        to_mean = np.round(own @ own.mean(axis=0), 6)  # rounded, so that the earliest of equals wins
        medoid = min(range(len(members)), key=lambda at: (-to_mean[at], texts[members[at]]))
        cohesion = float((own @ own[medoid]).mean())
        clusters.append(Cluster(texts[members[medoid]], tuple(members), cohesion))
    return Clustering(tuple(sorted(clusters, key=lambda item: (-len(item), item.label))), apart)


def silhouette(vectors: Vectors, labels: Labels) -> float:
    """Mean silhouette of unit rows `(n, d)` under `labels` 0 to k-1 `(n,)`, by cosine distance; 0 for a lone row.

    Rousseeuw 1987, section 2. The mean distance of a row to a cluster is one minus its product with the cluster's mean,
    so no table of all pairs is needed.
    """
    import numpy as np

    rows = np.arange(len(labels))
    belongs = np.zeros((len(labels), int(labels.max()) + 1), dtype=np.float32)
    belongs[rows, labels] = 1
    sizes = belongs.sum(axis=0)  # (k,)
    if len(sizes) < 2:
        return 0.0
    likeness = vectors @ (vectors.T @ belongs)  # (n, k), summed over the members
    own_size = sizes[labels]
    within = (own_size - likeness[rows, labels]) / np.maximum(own_size - 1, 1)  # a row's distance to itself is 0
    between = 1 - likeness / sizes
    between[rows, labels] = np.inf
    nearest_other = between.min(axis=1)
    values = (nearest_other - within) / np.maximum(np.maximum(nearest_other, within), 1e-12)
    return float(np.where(own_size > 1, values, 0.0).mean())


def _best_partition(vectors: Vectors, most: int) -> tuple[Labels, float]:
    """Labels of the rows and their silhouette, for the best number of clusters."""
    import numpy as np
    from sklearn.cluster import KMeans

    one = np.zeros(len(vectors), dtype=np.int64)
    if len(vectors) < 4:
        return one, 0.0
    best, apart = one, -1.0
    for count in _counts(min(most, max(2, len(vectors) // _LEAST_MEAN_SIZE))):
        labels = KMeans(count, n_init=_STARTS, random_state=0).fit_predict(vectors).astype(np.int64)
        labels = np.unique(labels, return_inverse=True)[1]  # k-means may leave a cluster empty
        value = silhouette(vectors, labels)
        if value > apart:
            best, apart = labels, value
    return best, apart


def _counts(most: int) -> list[int]:
    counts, value = [], 2.0
    while round(value) <= most:
        counts.append(round(value))
        value = max(value * _STEP, value + 1)
    return counts


def _centred(vectors: Vectors) -> Vectors:
    """Unit rows without what they all share, which in some encoders is most of each vector."""
    import numpy as np

    rest = vectors - vectors.mean(axis=0)
    result: Vectors = rest / np.maximum(np.linalg.norm(rest, axis=1, keepdims=True), 1e-6)
    return result


def _ranked(cosines: Vectors, texts: Sequence[str], k: int) -> list[Neighbour]:
    import numpy as np

    order = np.argsort(-cosines, kind="stable")[:k]
    return [Neighbour(int(index), texts[index], float(cosines[index])) for index in order]


def _listed(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise InputError("The texts are one text.", hint="Give a list of texts.")
    return list(texts)


def _check_count(k: int) -> None:
    if k < 1:
        raise InputError(f"k is {k}, it must be at least 1.")
