"""Where the head of a classifier begins: a probe of the frozen trunk, or nothing learned.

A probe, logistic regression on what the trunk gives, is what there is without any training of the trunk, and with few
examples hard to beat; a trunk that learns under an untaught head is bent by its noise at first (Kumar et al. 2022,
"Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution", section 3.4: probe, then fine-tune).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.inference.rollout import evaluation_mode
from core.training.data.batches import pad_batch
from core.training.data.text_tokens import LabelledTokens
from core.training.supervised.classification import standardise
from core.training.supervised.classifier import Classifier
from core.training.supervised.probe import LinearClassifier, learn_probe, learn_set_probe

_FIRST = 64
"""Training examples whose states say where an untaught head begins."""


def begin_untaught(classifier: Classifier, train: LabelledTokens) -> None:
    """Let the head see features of mean 0 and deviation 1, see `standardise`."""
    pad_id = classifier.loaded.tokenizer.pad_token_id or 0
    batch = pad_batch(train.ids, train.labels, np.arange(min(_FIRST, len(train.ids))), pad_id)
    device = classifier.loaded.placement.device
    with evaluation_mode(classifier.module), classifier.trainable.in_force():
        standardise(classifier.module, classifier.objective(), {name: one.to(device) for name, one in batch.items()})


def begin_as_probe(
    classifier: Classifier,
    train: LabelledTokens,
    validation: LabelledTokens,
    *,
    balanced: bool = False,
    kept: Path | None = None,
) -> None:
    """Let the head be a probe of the trunk as it is now, whose penalty is chosen on validation.

    Args:
        kept: a file that the probe is read from, or else written to, so that a run that resumes need not fit it again.
    """
    import torch

    probe = _kept_or(kept, lambda: _fitted(classifier, train, validation, balanced))
    shift, _, linear = classifier.module["head"]
    with torch.no_grad():
        shift.mean.copy_(torch.from_numpy(probe.mean))
        shift.scale.fill_(1 / probe.scale)
        linear.weight.copy_(torch.from_numpy(probe.weights))
        linear.bias.copy_(torch.from_numpy(probe.bias))


def _kept_or(kept: Path | None, fit: Callable[[], LinearClassifier]) -> LinearClassifier:
    if kept is not None and kept.is_file():
        return LinearClassifier.load(kept)
    probe = fit()
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        probe.save(kept)
    return probe


def _fitted(
    classifier: Classifier, train: LabelledTokens, validation: LabelledTokens, balanced: bool
) -> LinearClassifier:
    seen, held_out = (classifier.features(one.ids) for one in (train, validation))
    names = classifier.card.labels
    if classifier.card.task == "labels":
        truth, unseen = np.asarray(train.labels), np.asarray(validation.labels)
        return learn_set_probe(seen, truth, held_out, unseen, names, balanced=balanced)
    truths, unseens = ([names[int(label)] for label in one.labels] for one in (train, validation))
    return learn_probe(seen, truths, held_out, unseens, balanced=balanced).classifier
