"""BLEU: clipped n-gram precision with a penalty for brevity (Papineni et al. 2002)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from core.metrics.metric import NO_CONTEXT, Context, Contexts, Need, Part, Score, matched_contexts
from core.metrics.ngrams import Sequences, clipped_matches, totals
from core.metrics.segmentation import WmtStyle, wmt_chunks, wmt_pieces
from core.text.language import detect_language

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from core.metrics.ngrams import Integers

_ORDERS = 4
_CANDIDATES_AT_ONCE = 256
"""Few enough that the keys of one order stay in the processor's cache while they are sorted."""


@dataclass(frozen=True, slots=True)
class Bleu:
    """BLEU of up to four tokens, smoothed exponentially (Chen and Cherry 2014, method 3), as a number from 0 to 1.

    Needs references. `score` gives sentence BLEU over the orders the candidate is long enough for, `corpus` the BLEU
    of the whole set. Parts: the precisions `p1` to `p4` and the `brevity` penalty.

    Attributes:
        tokens: "13a" for languages with white space, "zh" for Chinese, "auto" for the language of the references.
        lowercase: whether case counts not.
    """

    tokens: WmtStyle | Literal["auto"] = "auto"
    lowercase: bool = False
    name: str = "bleu"
    needs: frozenset[Need] = frozenset({"references"})

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        matched = matched_contexts(self, candidates, contexts)
        return _scores(*self._statistics(candidates, matched), effective_order=True)

    def corpus(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> Score:
        """One score of all candidates: counts are summed before precisions are taken; 0 where there are none."""
        matched = matched_contexts(self, candidates, contexts)
        matches, lengths, targets = self._statistics(candidates, matched)
        found = totals(lengths, _ORDERS).sum(axis=0, keepdims=True)
        return _scores(
            matches.sum(axis=0, keepdims=True),
            lengths.sum(keepdims=True),
            targets.sum(keepdims=True),
            found=found,
            effective_order=False,
        )[0]

    def _statistics(self, candidates: Sequence[str], contexts: list[Context]) -> tuple[Integers, Integers, Integers]:
        """Matches `(n, 4)`, candidate lengths `(n,)`, lengths of the references closest to them `(n,)`, in tokens."""
        import numpy as np

        styles = [self._style(context) for context in contexts]
        matches = np.zeros((len(candidates), _ORDERS), dtype=np.int64)
        lengths, targets = np.zeros((2, len(candidates)), dtype=np.int64)
        for style in get_args(WmtStyle):
            rows = [row for row, its_style in enumerate(styles) if its_style == style]
            texts = [(candidates[row], *contexts[row].references) for row in rows]
            for at in range(0, len(rows), _CANDIDATES_AT_ONCE):
                chosen = rows[at : at + _CANDIDATES_AT_ONCE]
                some = _counts(self._cased(texts[at : at + _CANDIDATES_AT_ONCE]), style)
                matches[chosen], lengths[chosen], targets[chosen] = some
        return matches, lengths, targets

    def _cased(self, texts: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return [tuple(text.lower() for text in group) for group in texts] if self.lowercase else texts

    def _style(self, context: Context) -> WmtStyle:
        if self.tokens != "auto":
            return self.tokens
        return "zh" if detect_language(context.references[0]) == "zh" else "13a"


def _counts(texts: list[tuple[str, ...]], style: WmtStyle) -> tuple[Integers, Integers, Integers]:
    """As `Bleu._statistics`, of candidates each followed by its references."""
    import numpy as np

    number = {text: index for index, text in enumerate({text: None for group in texts for text in group})}
    unique = Sequences.of_pieces([wmt_chunks(text, style) for text in number], wmt_pieces)
    rows = np.array([number[text] for group in texts for text in group], dtype=np.int64)
    sizes = np.array([len(group) for group in texts], dtype=np.int64)
    segment = np.repeat(np.arange(len(texts), dtype=np.int64), sizes)
    firsts = np.cumsum(sizes) - sizes
    sequences = unique.take(rows)
    matches = clipped_matches(sequences, segment, np.arange(len(rows)) - firsts[segment], _ORDERS)
    tokens = sequences.lengths.tolist()
    targets = [
        min((abs(length - tokens[first]), length) for length in tokens[first + 1 : first + size])[1]
        for first, size in zip(firsts.tolist(), sizes.tolist(), strict=True)
    ]
    return matches, sequences.lengths[firsts], np.array(targets, dtype=np.int64)


def _scores(
    matches: Integers, lengths: Integers, targets: Integers, *, effective_order: bool, found: Integers | None = None
) -> list[Score]:
    import numpy as np

    found = totals(lengths, _ORDERS) if found is None else found  # (n, 4)
    precisions = _smoothed(matches, found)
    orders = (found > 0).sum(axis=1)
    with np.errstate(divide="ignore"):
        logs = np.where(found > 0, np.log(precisions), 0.0)
        brevity = np.exp(np.minimum(0.0, 1 - targets / np.maximum(lengths, 1)))
    scored = matches.any(axis=1) & (effective_order | (orders == _ORDERS))
    values = np.where(scored, brevity * np.exp(logs.sum(axis=1) / np.maximum(orders, 1)), 0.0)
    return [
        Score(value, (*(Part(f"p{n}", p) for n, p in enumerate(row, start=1)), Part("brevity", penalty)))
        for value, row, penalty in zip(values.tolist(), precisions.tolist(), brevity.tolist(), strict=True)
    ]


def _smoothed(matches: Integers, found: Integers) -> npt.NDArray[np.float64]:
    """Precisions `(n, 4)`: the k-th order without a match counts as 1/2^k of a match."""
    import numpy as np

    none = (matches == 0) & (found > 0)
    credit = np.where(none, 0.5 ** np.cumsum(none, axis=1), matches)
    precisions: npt.NDArray[np.float64] = credit / np.maximum(found, 1)
    return precisions
