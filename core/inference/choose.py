"""Choosing among several texts for one prompt: best of n, minimum Bayes risk, reward with agreement, self-consistency.

With `Generator` and `Metric` only, so that any model and any measure will do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from core.errors import InputError
from core.inference.generator import Generator, Sampling
from core.metrics.metric import NO_CONTEXT, Context, Metric, Part, Score, f_measure
from core.prompts.messages import Prompt

VARIED = Sampling(temperature=0.8, top_p=0.95)
"""Drawn texts that differ and still make sense; nothing was tuned."""
_ORDERS = 6
_BETA = 2.0


@dataclass(frozen=True, slots=True)
class Choice:
    """The text taken, and what it was taken from.

    Attributes:
        index: which candidate was taken; the first of equals.
        candidates: all texts, as they came.
        scores: of each candidate.
    """

    index: int
    candidates: tuple[str, ...]
    scores: tuple[Score, ...]

    @property
    def text(self) -> str:
        """The candidate taken."""
        return self.candidates[self.index]

    @property
    def score(self) -> Score:
        """Of the candidate taken."""
        return self.scores[self.index]


@dataclass(frozen=True, slots=True)
class Vote:
    """What most texts answer.

    Attributes:
        answer: the one given most often; None where no text has an answer.
        share: of all texts, those that give it.
        votes: how many texts give each answer, most first.
    """

    answer: str | None
    share: float
    votes: tuple[tuple[str, int], ...]


def best_of_n(
    generator: Generator,
    prompts: Sequence[Prompt],
    metric: Metric,
    contexts: Context | Sequence[Context] = NO_CONTEXT,
    *,
    n: int = 16,
    sampling: Sampling = VARIED,
) -> list[Choice]:
    """Draw n texts a prompt and take the one that the metric says is best.

    Args:
        contexts: what the texts of each prompt are measured against, or one for all.
        sampling: how to draw; its `n` is not looked at.

    Raises:
        InputError: neither one context nor as many as prompts.
        MissingContext: a context lacks what the metric needs.
    """
    matched = [contexts] * len(prompts) if isinstance(contexts, Context) else list(contexts)
    if len(matched) != len(prompts):
        raise InputError(
            f"There are {len(prompts)} prompts and {len(matched)} contexts.", hint="Give one context a prompt."
        )
    completions = generator.generate(prompts, replace(sampling, n=n))
    groups = [[one.text for one in completions[start : start + n]] for start in range(0, len(completions), n)]
    return [choose_best(texts, metric, context) for texts, context in zip(groups, matched, strict=True)]


def choose_best(candidates: Sequence[str], metric: Metric, context: Context = NO_CONTEXT) -> Choice:
    """The candidate with the highest score; equal texts are measured once."""
    if not candidates:
        raise InputError("There is no text to choose from.", hint="Give at least one candidate.")
    distinct = list(dict.fromkeys(candidates))
    found = dict(zip(distinct, metric.score(distinct, context), strict=True))
    return _best(candidates, [found[text] for text in candidates])


def minimum_bayes_risk(candidates: Sequence[str], utility: Metric | None = None) -> Choice:
    """The candidate that is most like all of them: highest mean utility, the others taken as references.

    The candidates stand for what the model may say (Kumar and Byrne 2004; Eikema and Aziz 2022, section 4); each is a
    reference for itself too.

    Args:
        utility: a metric that needs references. Its cost grows with the square of the number of distinct texts. None
            takes chrF against the mean n-gram counts of all candidates, whose cost grows with their number (Vamvas and
            Sennrich 2024, section 3; DeNero et al. 2009).
    """
    if not candidates:
        raise InputError("There is no text to choose from.", hint="Give at least one candidate.")
    if utility is None:
        return _best(candidates, aggregated_chrf(candidates, candidates))
    weights = Counter(candidates)
    distinct = list(weights)
    pairs = [(text, reference) for text in distinct for reference in distinct]
    scores = utility.score([text for text, _ in pairs], [Context(references=(reference,)) for _, reference in pairs])
    means: dict[str, Score] = {}
    for row, text in enumerate(distinct):
        values = [score.value for score in scores[row * len(distinct) : (row + 1) * len(distinct)]]
        total = sum(value * weights[reference] for value, reference in zip(values, distinct, strict=True))
        means[text] = Score(total / len(candidates), reason=f"mean {utility.name} with all {len(candidates)}")
    return _best(candidates, [means[text] for text in candidates])


def choose_rewarded(
    candidates: Sequence[str],
    reward: Metric,
    context: Context = NO_CONTEXT,
    *,
    agreement: float,
    utility: Metric | None = None,
) -> Choice:
    """The candidate with the highest sum of its reward and `agreement` times its mean utility with all candidates.

    The reward looks at each text by itself, the utility at what the texts say together (`minimum_bayes_risk`); their
    errors differ. Parts of each score: `reward`, `agreement`.

    Args:
        agreement: weight of the mean utility beside the reward; to be chosen on held-out questions.
    """
    agreeing = minimum_bayes_risk(candidates, utility).scores
    rewarded = choose_best(candidates, reward, context).scores
    return _best(
        candidates,
        [
            Score(
                own.value + agreement * common.value,
                (Part("reward", own.value, own.reason), Part("agreement", common.value, common.reason)),
                f"{own.value:.3f} {reward.name} + {agreement:g}*{common.value:.3f} agreement",
            )
            for own, common in zip(rewarded, agreeing, strict=True)
        ],
    )


def aggregated_chrf(candidates: Sequence[str], references: Sequence[str]) -> list[Score]:
    """chrF of each candidate against the mean counts of character n-grams in all references.

    Linear in the number of texts. With one distinct reference it is the usual chrF.
    """
    size = len(references)
    mean = [Counter[str]() for _ in range(_ORDERS)]  # times `size`: whole numbers add up exactly
    for text, count in Counter(references).items():
        for order, grams in enumerate(_character_ngrams(text)):
            for gram, times in grams.items():
                mean[order][gram] += times * count
    totals = [grams.total() / size for grams in mean]
    found = {text: _aggregated(_character_ngrams(text), mean, totals, size) for text in set(candidates)}
    reason = f"chrF with the mean n-gram counts of {size}"
    return [Score(found[text], reason=reason) for text in candidates]


def _aggregated(own: list[Counter[str]], mean: list[Counter[str]], totals: list[float], size: int) -> float:
    precision = recall = 0.0
    orders = 0
    for grams, means, total in zip(own, mean, totals, strict=True):
        length = grams.total()
        if length and total:  # an order that either is too short for says nothing
            matches = sum(min(times, means[gram] / size) for gram, times in grams.items())
            precision += matches / length
            recall += matches / total
            orders += 1
    return f_measure(precision / max(orders, 1), recall / max(orders, 1), _BETA)


def self_consistency(candidates: Sequence[str], answer_of: Callable[[str], str | None]) -> Vote:
    """What most candidates answer (Wang et al. 2022, section 2); of equal numbers, the answer that came first.

    Args:
        answer_of: the answer in a text, in a form that equals that of other texts with the same answer; None without.
    """
    votes = Counter(answer for answer in map(answer_of, candidates) if answer is not None)
    ranked = tuple(votes.most_common())
    if not ranked:
        return Vote(None, 0.0, ())
    return Vote(ranked[0][0], ranked[0][1] / len(candidates), ranked)


def _best(candidates: Sequence[str], scores: Sequence[Score]) -> Choice:
    index = max(range(len(candidates)), key=lambda row: (scores[row].value, -row))
    return Choice(index, tuple(candidates), tuple(scores))


def _character_ngrams(text: str) -> list[Counter[str]]:
    """Counts of n-grams of 1 to 6 characters, white space left out."""
    bare = "".join(text.split())
    return [
        Counter(bare[start : start + order] for start in range(len(bare) - order + 1))
        for order in range(1, _ORDERS + 1)
    ]
