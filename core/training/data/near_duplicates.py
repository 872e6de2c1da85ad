"""Texts that say almost the same: MinHash signatures, locality-sensitive buckets, and the exact measure at the end.

Two texts are near-duplicates if the Jaccard similarity of their sets of character shingles reaches a threshold.
Signatures (Broder 1997, "On the resemblance and containment of documents") and banding (Leskovec, Rajaraman & Ullman,
"Mining of Massive Datasets", section 3.4) only propose pairs; each is then measured exactly, so a pair reported is one.
A pair at the threshold is missed with probability of at most `_MISS`, one above it more rarely.

Shingles are five characters of text in Latin script and three of Chinese text, where a character carries about as much
as half a word. Case, width and punctuation do not count.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from core.progress import ProgressCallback
from core.text import detect_language

PERMUTATIONS = 128
LATIN_SHINGLE = 5
CHINESE_SHINGLE = 3

_MISS = 1e-3
_SIGNATURE_BLOCK = 2_000_000
"""Shingles handled at once: 16 MB a permutation."""
_LARGE_BUCKET = 3000
"""A bucket with more members compares each with the first `_LEADERS` alone: all pairs would be too many. After exact
duplicates are gone only texts from one mould meet in such numbers."""
_LEADERS = 64
_SEPARATORS = re.compile(r"[\W_]+")

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, order=True)
class NearPair:
    """Two texts by their places, `first < second`, and the Jaccard similarity of their shingles."""

    first: int
    second: int
    similarity: float


def shingles(text: str) -> Hashes:
    """The set of `text`'s shingles as sorted 64-bit hashes; a shorter text is one shingle."""
    plain = _SEPARATORS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
    size = CHINESE_SHINGLE if detect_language(plain) == "zh" else LATIN_SHINGLE
    codes = np.frombuffer(plain.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32).astype(np.uint64)
    if len(codes) < size:
        size = max(len(codes), 1)
        codes = codes if len(codes) else np.zeros(1, dtype=np.uint64)
    windows = np.zeros(len(codes) - size + 1, dtype=np.uint64)
    for place in range(size):  # a polynomial in an odd base modulo 2^64
        windows = windows * np.uint64(0x9E3779B97F4A7C15) + codes[place : place + len(windows)] + np.uint64(1)
    return np.unique(_mixed(windows ^ np.uint64(size)))


def _mixed(values: Hashes) -> Hashes:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014): every input bit reaches every output bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def jaccard(one: Hashes, other: Hashes) -> float:
    """Shared shingles divided by all shingles of both."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


def signatures(sets: Sequence[Hashes], progress: ProgressCallback | None = None) -> npt.NDArray[np.uint32]:
    """``(texts, PERMUTATIONS)`` smallest hash of each text's shingles under each of fixed hash functions."""
    draw = np.random.default_rng(20)  # any fixed seed: the functions are part of the method, not of a run
    factors = draw.integers(0, 2**63, PERMUTATIONS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    shifts = draw.integers(0, 2**63, PERMUTATIONS, dtype=np.uint64)
    result = np.empty((len(sets), PERMUTATIONS), dtype=np.uint32)
    bounds = _blocks([len(members) for members in sets])
    for start, stop in pairwise(bounds):
        members = np.concatenate(sets[start:stop])
        begins = np.cumsum([0, *(len(members) for members in sets[start : stop - 1])])
        for column in range(PERMUTATIONS):
            hashed = ((members * factors[column] + shifts[column]) >> np.uint64(32)).astype(np.uint32)
            result[start:stop, column] = np.minimum.reduceat(hashed, begins)
        if progress:
            progress(stop, len(sets))
    return result


def _blocks(sizes: Sequence[int]) -> list[int]:
    bounds, held = [0], 0
    for place, size in enumerate(sizes):
        if held and held + size > _SIGNATURE_BLOCK:
            bounds.append(place)
            held = 0
        held += size
    return [*bounds, len(sizes)] if sizes else bounds


def band_rows(similarity: float) -> int:
    """Rows of a band: the most (fewest false candidates) that miss a pair at `similarity` at most `_MISS` of times."""
    fitting = (rows for rows in range(16, 0, -1) if (1 - similarity**rows) ** (PERMUTATIONS // rows) <= _MISS)
    return next(fitting, 1)


def near_duplicates(
    texts: Sequence[str], similarity: float, *, progress: ProgressCallback | None = None
) -> list[NearPair]:
    """Pairs of `texts` whose shingles have a Jaccard similarity of at least `similarity` (0 to 1], in order."""
    if len(texts) < 2:
        return []
    sets = [shingles(text) for text in texts]
    marks = signatures(sets, progress)
    rows = band_rows(similarity)
    slack = 3 * (similarity * (1 - similarity) / PERMUTATIONS) ** 0.5  # three standard errors of the estimate
    proposed: set[tuple[int, int]] = set()
    for start in range(0, PERMUTATIONS // rows * rows, rows):
        for one, other in _same_band(marks[:, start : start + rows]):
            estimate = (marks[one] == marks[other]).mean(axis=1)
            likely = estimate >= similarity - slack
            proposed.update(zip(one[likely].tolist(), other[likely].tolist(), strict=True))
    found = (NearPair(one, other, jaccard(sets[one], sets[other])) for one, other in proposed)
    return sorted(pair for pair in found if pair.similarity >= similarity)


def _same_band(
    band: npt.NDArray[np.uint32],
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Pairs of rows of `band` that are equal, as two arrays with the smaller row first."""
    keys = np.zeros(len(band), dtype=np.uint64)
    for column in range(band.shape[1]):
        keys = _mixed(keys ^ band[:, column])
    order = np.argsort(keys, kind="stable")
    edges = np.flatnonzero(np.diff(keys[order])) + 1
    ones: list[npt.NDArray[np.int64]] = []
    others: list[npt.NDArray[np.int64]] = []
    for bucket in np.split(order, edges):
        if len(bucket) < 2:
            continue
        if len(bucket) <= _LARGE_BUCKET:
            upper, lower = np.triu_indices(len(bucket), 1)
        else:
            upper, lower = (side.ravel() for side in np.indices((_LEADERS, len(bucket))))
            upper, lower = upper[upper < lower], lower[upper < lower]
        if len(upper) > 10_000:
            yield from _in_parts(bucket[upper], bucket[lower])
        else:
            ones.append(bucket[upper])
            others.append(bucket[lower])
    if ones:
        yield from _in_parts(np.concatenate(ones), np.concatenate(others))


def _in_parts(
    ones: npt.NDArray[np.int64], others: npt.NDArray[np.int64]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    for start in range(0, len(ones), 100_000):
        yield ones[start : start + 100_000], others[start : start + 100_000]
