"""Learning a reward for short answers on the questions of `benchmarks.questions`, for the benchmarks that use one.

Layer 15 of the default model was chosen among 8, 12, 15, 18, 21 and 24 by cross-validation on 96 to 144 training
questions, and so was the prior of the features of place. The test part was not looked at.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.questions import TASK, Drawn, Item
from core.config import settings
from core.files import atomic_path
from core.inference.reward import AnswerFeatures, Card, open_features
from core.metrics import AnswerF1, Context
from core.metrics.answer_place import FEATURES
from core.metrics.learned import LinearHead
from core.metrics.learned_fit import fit_head
from core.models.locate import locate

LAYERS = 15
RIDGES = (1e3, 3e3, 1e4, 3e4)
AGREEMENTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
PLACE_PRIOR = 5.0
FOLDS = 8
_AT_ONCE = 16


@dataclass(frozen=True)
class Group:
    """The distinct answers drawn for one question, and the greedy one.

    Attributes:
        counts: how often each was drawn; 0 for a greedy one that was not.
        agreement: mean F1 of each with all that were drawn.
        greedy: which is the greedy one, where there is one.
    """

    item: Item
    texts: tuple[str, ...]
    counts: tuple[int, ...]
    features: Any
    f1: tuple[float, ...]
    agreement: tuple[float, ...]
    greedy: int | None = None

    @property
    def one_draw(self) -> float:
        """Expected F1 of one answer."""
        return sum(value * count for value, count in zip(self.f1, self.counts, strict=True)) / sum(self.counts)

    @property
    def oracle(self) -> float:
        return max(value for value, count in zip(self.f1, self.counts, strict=True) if count)

    def values(self, head: LinearHead, agreement: float) -> list[float]:
        """As `core.inference.choose.choose_rewarded` has them."""
        rewards = head.values(self.features).tolist()
        return [own + agreement * common for own, common in zip(rewards, self.agreement, strict=True)]

    def chosen(self, head: LinearHead, agreement: float) -> int:
        """The best of those drawn."""
        values = self.values(head, agreement)
        return max((index for index, count in enumerate(self.counts) if count), key=lambda index: values[index])

    def refined(self, head: LinearHead, agreement: float, margin: float) -> int:
        """What one round of refining the greedy answer leaves, with the drawn ones offered."""
        assert self.greedy is not None
        values, best = self.values(head, agreement), self.chosen(head, agreement)
        return best if values[best] > values[self.greedy] + margin else self.greedy


@dataclass(frozen=True)
class Learned:
    head: LinearHead
    ridge: float
    agreement: float
    gap_closed: float


def card(model: str, figures: dict[str, float] | None = None) -> Card:
    fingerprint = locate(model, "causal").fingerprint
    template = TASK.format(passage="{evidence}", question="{question}")
    told = "answers to CMRC2018 development questions, parts for learning and validation, by token F1"
    return Card(
        model=model, fingerprint=fingerprint, layers=LAYERS, template=template, learned_on=told, figures=figures or {}
    )


def f1(texts: Sequence[str], item: Item) -> tuple[float, ...]:
    return tuple(score.value for score in AnswerF1().score(texts, Context(references=item.answers)))


def mean_f1(texts: Sequence[str], counts: Counter[str]) -> tuple[float, ...]:
    """Mean F1 of each text with all that were drawn: the utility of `core.inference.choose.minimum_bayes_risk`."""
    pairs = [(text, other) for text in texts for other in counts]
    scores = AnswerF1().score([text for text, _ in pairs], [Context(references=(other,)) for _, other in pairs])
    sums = dict.fromkeys(texts, 0.0)
    for (text, other), score in zip(pairs, scores, strict=True):
        sums[text] += score.value * counts[other] / counts.total()
    return tuple(sums[text] for text in texts)


class Reader:
    """Features of answers, kept in the cache by a hash of all they depend on, with the processor seconds they took."""

    def __init__(self, model: str) -> None:
        self.card = card(model)
        self._features: AnswerFeatures | None = None

    @property
    def features(self) -> AnswerFeatures:
        if self._features is None:
            self._features = open_features(self.card)
            self._features(["好"], [Context(prompt="好", evidence=("好",))])  # the first pass is slower
        return self._features

    def groups(
        self, items: Sequence[Item], drawn: Sequence[Sequence[Drawn]], greedy: Sequence[str] | None = None
    ) -> tuple[list[Group], float]:
        """Groups of all items, and the seconds that reading their answers took, then or now."""
        groups: list[Group] = []
        seconds = 0.0
        texts = [
            tuple(dict.fromkeys([*(one.text for one in group), *(greedy[number : number + 1] if greedy else ())]))
            for number, group in enumerate(drawn)
        ]
        for start in range(0, len(items), _AT_ONCE):
            own = list(zip(items, texts, drawn, strict=True))[start : start + _AT_ONCE]
            found, took = self._cached([(item, some) for item, some, _ in own])
            seconds += took
            for (item, some, group), features in zip(own, found, strict=True):
                counts = Counter(one.text for one in group)
                first = greedy[len(groups)] if greedy else None
                groups.append(
                    Group(
                        item,
                        some,
                        tuple(counts[text] for text in some),
                        features,
                        f1(some, item),
                        mean_f1(some, counts),
                        None if first is None else some.index(first),
                    )
                )
            print(f"read {min(start + _AT_ONCE, len(items))} of {len(items)}, {seconds:.0f} CPU seconds", flush=True)
        return groups, seconds

    def _cached(self, pairs: list[tuple[Item, tuple[str, ...]]]) -> tuple[list[Any], float]:
        import numpy as np
        from safetensors.numpy import load_file, save_file

        key = json.dumps(
            [self.card.fingerprint, LAYERS, FEATURES, [(item.prompt, some) for item, some in pairs]], ensure_ascii=False
        )
        name = hashlib.sha256(key.encode()).hexdigest()[:24]
        path: Path = settings().cache_dir / "benchmarks" / "features" / f"{name}.safetensors"
        if not path.is_file():
            contexts = [Context(prompt=item.question, evidence=(item.passage,)) for item, some in pairs for _ in some]
            features = self.features
            started = time.process_time()
            found = features([text for _, some in pairs for text in some], contexts)
            seconds = np.array([time.process_time() - started])
            with atomic_path(path) as temporary:
                save_file({"features": found, "seconds": seconds}, temporary)
        kept = load_file(path)
        cuts = np.cumsum([len(some) for _, some in pairs])[:-1]
        return np.split(kept["features"], cuts), float(kept["seconds"][0])


def fit(groups: Sequence[Group], ridge: float) -> LinearHead:
    prior = [PLACE_PRIOR] * len(FEATURES) + [1.0] * (groups[0].features.shape[1] - len(FEATURES))
    return fit_head([(group.features, group.f1) for group in groups], ridge=ridge, prior=prior)


def gap_closed(groups: Sequence[Group], chosen: Sequence[int]) -> float:
    """Mean gain of the chosen answers over one draw, beside that of the best ones."""
    gained = sum(group.f1[index] - group.one_draw for group, index in zip(groups, chosen, strict=True))
    return gained / sum(group.oracle - group.one_draw for group in groups)


def learn(groups: Sequence[Group]) -> Learned:
    """A head learned on all groups, with the ridge and the weight of agreement that do best in cross-validation.

    Questions on one passage are in one fold.
    """
    folds = [int(hashlib.sha256(group.item.passage.encode()).hexdigest(), 16) % FOLDS for group in groups]
    found: dict[tuple[float, float], float] = {}
    for ridge in RIDGES:
        heads = [
            fit([group for own, group in zip(folds, groups, strict=True) if own != fold], ridge)
            for fold in range(FOLDS)
        ]
        for agreement in AGREEMENTS:
            chosen = [group.chosen(heads[fold], agreement) for fold, group in zip(folds, groups, strict=True)]
            found[ridge, agreement] = gap_closed(groups, chosen)
    ridge, agreement = max(found, key=lambda pair: found[pair])
    return Learned(fit(groups, ridge), ridge, agreement, found[ridge, agreement])
