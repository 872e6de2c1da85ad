"""ROUGE: how much of the references a candidate recalls (Lin 2004)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from core.metrics.metric import NO_CONTEXT, Context, Contexts, Need, Part, Score, f_measure, matched_contexts
from core.metrics.ngrams import pair_matches
from core.metrics.segmentation import rouge_tokens
from core.metrics.subsequence import longest_common_subsequence

Tokens = list[str]


@dataclass(frozen=True, slots=True)
class RougeN:
    """ROUGE-N (Lin 2004, section 2): F1 of shared n-grams, against the reference it is best for.

    Needs references. Tokens are lower-case runs of ASCII letters and digits, and single Chinese characters. Parts:
    `precision` and `recall`.

    Attributes:
        stemmed: whether English words are compared without their suffixes.
    """

    n: int
    stemmed: bool = False
    needs: frozenset[Need] = frozenset({"references"})

    @property
    def name(self) -> str:
        return f"rouge_{self.n}"

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        pairs, counts = _pairs(candidates, matched_contexts(self, candidates, contexts), stemmed=self.stemmed)
        shared = pair_matches(pairs, self.n)[:, -1].tolist()
        less = self.n - 1
        sizes = [(max(len(own) - less, 0), max(len(other) - less, 0)) for own, other in pairs]
        return _best(counts, [_score(*item) for item in zip(shared, sizes, strict=True)])


@dataclass(frozen=True, slots=True)
class RougeL:
    """ROUGE-L (Lin 2004, section 3.1): F1 of the longest common subsequence; otherwise as `RougeN`."""

    stemmed: bool = False
    name: str = "rouge_l"
    needs: frozenset[Need] = frozenset({"references"})

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        pairs, counts = _pairs(candidates, matched_contexts(self, candidates, contexts), stemmed=self.stemmed)
        shared = [longest_common_subsequence(own, other) for own, other in pairs]
        sizes = [(len(own), len(other)) for own, other in pairs]
        return _best(counts, [_score(*item) for item in zip(shared, sizes, strict=True)])


def _pairs(
    candidates: Sequence[str], contexts: list[Context], *, stemmed: bool
) -> tuple[list[tuple[Tokens, Tokens]], list[int]]:
    """Tokens of each candidate with each of its references, and how many references each candidate has."""
    unique = list({*candidates, *(text for context in contexts for text in context.references)})
    tokens = dict(zip(unique, rouge_tokens(unique, stemmed=stemmed), strict=True))
    pairs = [
        (tokens[candidate], tokens[reference])
        for candidate, context in zip(candidates, contexts, strict=True)
        for reference in context.references
    ]
    return pairs, [len(context.references) for context in contexts]


def _score(shared: int, sizes: tuple[int, int]) -> Score:
    own, other = sizes
    precision = shared / own if own else 0.0
    recall = shared / other if other else 0.0
    return Score(f_measure(precision, recall), (Part("precision", precision), Part("recall", recall)))


def _best(counts: list[int], scores: list[Score]) -> list[Score]:
    """The best score of each run of `counts`; of equal ones the first."""
    if len(counts) == len(scores):
        return scores
    remaining = iter(scores)
    return [max(islice(remaining, count), key=lambda score: score.value) for count in counts]
