"""chrF: F-score of character n-grams, with word n-grams chrF++ (Popović 2015, 2017)."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from core.metrics.metric import NO_CONTEXT, Context, Contexts, Need, Part, Score, matched_contexts
from core.metrics.ngrams import Sequences, clipped_matches, totals

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from core.metrics.ngrams import Integers

    Floats = npt.NDArray[np.float64]

_MARKS = frozenset(string.punctuation)
_PAIRS_AT_ONCE = 64
"""Few enough that the keys of one order stay in the processor's cache while they are sorted."""


@dataclass(frozen=True, slots=True)
class ChrF:
    """chrF with n-grams of up to six characters, white space left out, against the reference it is best for.

    Needs references. Precision and recall are averaged over the orders that both texts are long enough for, then
    joined with recall counting twice as much. Parts: `precision` and `recall`.

    Attributes:
        words: word n-grams up to this order count as well; 2 makes it chrF++.
        lowercase: whether case counts not.
    """

    characters: int = 6
    words: int = 0
    beta: float = 2.0
    lowercase: bool = False
    needs: frozenset[Need] = frozenset({"references"})

    @property
    def name(self) -> str:
        return "chrf" + "_" * bool(self.words) + "p" * self.words

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        best = self._best(candidates, matched_contexts(self, candidates, contexts))
        return _scores(best, self.beta)

    def corpus(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> Score:
        """One score of all candidates: counts, each against its best reference, are summed before rates are taken."""
        best = self._best(candidates, matched_contexts(self, candidates, contexts))
        return _scores(best.sum(axis=1, keepdims=True), self.beta)[0]

    def _best(self, candidates: Sequence[str], contexts: list[Context]) -> Integers:
        """Counts `(3, n, orders)` of each candidate's best pair: matched, of the candidate, of the reference."""
        import numpy as np

        pairs = [
            (candidate, reference)
            for candidate, context in zip(candidates, contexts, strict=True)
            for reference in context.references
        ]
        parts = [self._counts(pairs[at : at + _PAIRS_AT_ONCE]) for at in range(0, len(pairs), _PAIRS_AT_ONCE)]
        counts = np.concatenate(parts or [np.zeros((3, 0, self.characters + self.words), dtype=np.int64)], axis=1)
        if len(pairs) == len(candidates):
            return counts
        values = _rates(counts, self.beta)[0]
        bounds = pairwise(accumulate((len(context.references) for context in contexts), initial=0))
        return counts[:, [begin + int(values[begin:end].argmax()) for begin, end in bounds]]

    def _counts(self, pairs: Sequence[tuple[str, str]]) -> Integers:
        """Counts `(3, pairs, orders)`, characters first, then words."""
        import numpy as np

        chunked = [(text.lower() if self.lowercase else text).split() for pair in pairs for text in pair]
        kinds = [(Sequences.of_characters(["".join(chunks) for chunks in chunked]), self.characters)]
        if self.words:
            kinds.append((Sequences.of_pieces(chunked, _without_mark), self.words))
        row = np.arange(2 * len(pairs), dtype=np.int64)
        counts = []
        for sequences, orders in kinds:
            own, other = totals(sequences.lengths, orders).reshape(-1, 2, orders).swapaxes(0, 1)
            matches = clipped_matches(sequences, row >> 1, row & 1, orders)
            # An order that the reference is too short for says nothing about the candidate.
            counts.append(np.stack([matches, own * (other > 0), other]))
        return np.concatenate(counts, axis=2)


def _without_mark(word: str) -> list[str]:
    """A word with one ASCII mark taken off: its last character, else its first."""
    if len(word) > 1 and word[-1] in _MARKS:
        return [word[:-1], word[-1]]
    if len(word) > 1 and word[0] in _MARKS:
        return [word[0], word[1:]]
    return [word]


def _rates(counts: Integers, beta: float) -> tuple[Floats, Floats, Floats]:
    """F-score, mean precision and mean recall `(n,)` of counts `(3, n, orders)`."""
    import numpy as np

    matches, own, other = counts
    both = (own > 0) & (other > 0)
    orders = np.maximum(both.sum(axis=1), 1)
    precision = np.where(both, matches / np.maximum(own, 1), 0.0).sum(axis=1) / orders
    recall = np.where(both, matches / np.maximum(other, 1), 0.0).sum(axis=1) / orders
    weighted = beta**2 * precision + recall
    value = (1 + beta**2) * precision * recall / np.where(weighted > 0, weighted, 1.0)
    return value, precision, recall


def _scores(counts: Integers, beta: float) -> list[Score]:
    columns = (rates.tolist() for rates in _rates(counts, beta))
    return [
        Score(value, (Part("precision", precision), Part("recall", recall)))
        for value, precision, recall in zip(*columns, strict=True)
    ]
