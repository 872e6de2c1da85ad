"""Diversity: how little a text, or a set of texts, repeats itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from core.metrics.metric import NO_CONTEXT, Contexts, Need, Score, matched_contexts
from core.metrics.ngrams import Sequences, gram_counts
from core.metrics.segmentation import units


@dataclass(frozen=True, slots=True)
class Distinct:
    """Distinct n-grams over all n-grams (Li et al. 2016, section 5.2); 0 for a text of fewer than n units.

    Units are words, numbers and single Chinese characters, case left out. `corpus` counts over the whole set.
    """

    n: int = 2
    needs: frozenset[Need] = frozenset()

    @property
    def name(self) -> str:
        return f"distinct_{self.n}"

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        matched_contexts(self, candidates, contexts)
        counts = gram_counts(_sequences(candidates), self.n)
        return [Score(len(grams) / sum(grams) if grams else 0.0) for grams in counts]

    def corpus(self, candidates: Sequence[str]) -> Score:
        """One score of the set: n-grams that come again in another text count as repeated."""
        seen: set[tuple[str, ...]] = set()
        total = 0
        for candidate in candidates:
            tokens = units(candidate.lower())
            grams = list(zip(*(tokens[at:] for at in range(self.n)), strict=False))
            seen.update(grams)
            total += len(grams)
        return Score(len(seen) / total if total else 0.0)


@dataclass(frozen=True, slots=True)
class NgramEntropy:
    """Shannon entropy of the n-grams of a text over the most it could be, the logarithm of their number.

    1 where every n-gram is another, 0 where there is but one, again and again, or fewer than n units. A text of exactly
    one n-gram repeats nothing and has 1.
    """

    n: int = 2
    needs: frozenset[Need] = frozenset()

    @property
    def name(self) -> str:
        return f"entropy_{self.n}"

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        matched_contexts(self, candidates, contexts)
        return [Score(_evenness(grams)) for grams in gram_counts(_sequences(candidates), self.n)]


def _sequences(texts: Sequence[str]) -> Sequences:
    return Sequences.of_tokens([units(text.lower()) for text in texts])


def _evenness(counts: list[int]) -> float:
    total = sum(counts)
    if total <= 1:
        return float(total)
    # log N - (1/N) sum c log c, divided by log N; exact at both ends.
    return 1.0 - sum(count * log(count) for count in counts) / (total * log(total))
