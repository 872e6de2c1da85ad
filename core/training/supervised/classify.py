"""Learning a classifier from prepared records: labels, batches, the loop, calibration and what it finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from core.errors import InputError
from core.models.loading import LoadedModel
from core.progress import ProgressCallback
from core.training.config import Config
from core.training.data.batches import BucketedBatches
from core.training.data.records import Labelled, MultiLabelled, Record, SpanLabelled, TextPair
from core.training.data.text_tokens import LabelledTokens, classified_sequences, label_names, tag_names
from core.training.loop import LoopConfig, LoopReport, run
from core.training.optimiser import OptimiserConfig
from core.training.supervised.class_start import begin_as_probe, begin_untaught
from core.training.supervised.classification import balanced_set_weights, balanced_weights
from core.training.supervised.classifier import Classifier, new_classifier
from core.training.supervised.classifier_card import Task
from core.training.supervised.easy_first import difficulties, easy_first, lengths
from core.training.supervised.label_figures import Item, Judged, judge
from core.training.supervised.label_scores import (
    fitted_temperature,
    fitted_temperature_of_sets,
    fitted_threshold,
    sigmoid,
)
from core.training.supervised.learner import SupervisedLearner
from core.training.supervised.tagging import tagged_windows
from core.training.supervised.trainable import TrainableConfig
from core.training.team import Alone, Team, by_first

_TASKS: Mapping[type[Record], Task] = {
    Labelled: "text",
    TextPair: "pair",
    MultiLabelled: "labels",
    SpanLabelled: "token",
}


class ClassifyConfig(Config):
    """How to learn.

    Attributes:
        start: where the head begins: as a probe of the frozen trunk, or "untaught". Spans have no probe; "" is the
            probe where there is one.
        batch: texts a step.
        max_tokens: of a text, a pair or a window of a longer text with spans.
        balanced: weigh classes against their frequency.
        easy_first: orders the first epoch.
        dropout: of what the head is given.
    """

    trainable: TrainableConfig = Field(default_factory=TrainableConfig)
    optimiser: OptimiserConfig = Field(
        default_factory=lambda: OptimiserConfig(learning_rate=5e-4, schedule="linear", weight_decay=0.01)
    )
    start: Literal["", "probe", "untaught"] = ""
    batch: int = Field(16, ge=1)
    max_tokens: int = Field(128, ge=4)
    balanced: bool = False
    easy_first: Literal["", "length", "difficulty"] = ""
    dropout: float = Field(0.1, ge=0, lt=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found in a record: its class, classes or spans; how sure that is, where it is one class."""

    items: tuple[Item, ...]
    probability: float | None = None


def begin_classifier(
    base: LoadedModel,
    splits: Mapping[str, Sequence[Record]],
    config: ClassifyConfig,
    *,
    family: Literal["encoder", "causal"] = "encoder",
    seed: int = 0,
    probe: Path | None = None,
    team: Team | None = None,
) -> Classifier:
    """A classifier of what `splits["train"]` tells apart, whose head begins as `config` says.

    Args:
        splits: "train" and "validation".
        probe: where the probe is kept, see `begin_as_probe`.

    Raises:
        InputError: records of several kinds, one class only, a label that training has not seen, or a probe of spans.
    """
    train = splits["train"]
    task = task_of(train)
    classifier = new_classifier(
        base,
        class_names(train),
        task,
        family=family,
        max_tokens=config.max_tokens,
        trainable=config.trainable,
        seed=seed,
        dropout=config.dropout,
    )
    if task == "token" and config.start == "probe":
        raise InputError("There is no probe of spans.", hint='Set start = "untaught".')
    tokens, held_out = (_tokens(classifier, splits[name]) for name in ("train", "validation"))
    if task == "token" or config.start == "untaught":
        begin_untaught(classifier, tokens)
        return classifier

    def begin() -> None:
        begin_as_probe(classifier, tokens, held_out, balanced=config.balanced, kept=probe)

    if probe is None:
        begin()
    else:  # the first process fits it, the others read it
        by_first(team or Alone(), begin)
        begin()
    return classifier


def learn(
    classifier: Classifier,
    splits: Mapping[str, Sequence[Record]],
    config: ClassifyConfig,
    loop: LoopConfig,
    folder: Path,
    *,
    metric: str,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    team: Team | None = None,
) -> LoopReport:
    """Learn from `splits["train"]`, keeping the best by `metric` (see `label_figures.METRICS`) on validation.

    Args:
        folder: of the run's checkpoints.

    Raises:
        InputError: as `begin_classifier`.
        TrainingFault: see `core.training.loop.run`.
    """
    train, validation = splits["train"], splits["validation"]
    base, tokens = classifier.loaded, _tokens(classifier, train)
    batches = BucketedBatches(tokens.ids, tokens.labels, config.batch, seed, base.tokenizer.pad_token_id or 0)
    if config.easy_first:
        by_length = config.easy_first == "length"
        batches = easy_first(batches, lengths(batches) if by_length else difficulties(batches, train))
    learner = SupervisedLearner(
        classifier.module,
        classifier.parameters,
        classifier.objective(_class_weights(classifier, tokens) if config.balanced else ()),
        batches,
        optimiser=config.optimiser,
        steps=loop.steps,
        seed=seed,
        piece_rows=config.batch,
        device=base.placement.device,
        in_force=classifier.trainable.in_force,
        team=team,
    )

    def held_out() -> float:
        now = calibrated(classifier, validation) if classifier.card.task == "labels" else classifier
        return judged(now, validation).value(metric)

    return run(learner, loop, folder, evaluate=held_out, progress=progress, team=team)


def calibrated(classifier: Classifier, records: Sequence[Record]) -> Classifier:
    """The classifier with the temperature under which held-out `records` are likeliest, and for sets of classes the
    threshold with the highest micro-F1 on them. A tagger stays as it is."""
    if classifier.card.task == "token":
        return classifier
    tokens = _tokens(classifier, records)
    logits, truth = classifier.logits(tokens.ids), np.asarray(tokens.labels)
    if classifier.card.task != "labels":
        return with_card(classifier, temperature=fitted_temperature(logits, truth.tolist()))
    temperature = fitted_temperature_of_sets(logits, truth)
    threshold = fitted_threshold(sigmoid(logits / temperature), truth)
    return with_card(classifier, temperature=temperature, threshold=threshold)


def found_in(classifier: Classifier, records: Sequence[Record]) -> list[Finding]:
    """What `classifier` finds in each record."""
    texts = [record.texts() for record in records]
    firsts = [text[0] for text in texts]
    if classifier.card.task == "token":
        return [Finding(tuple(span.labelled for span in spans)) for spans in classifier.tag(firsts)]
    if classifier.card.task == "labels":
        return [Finding(found.labels) for found in classifier.predict_sets(firsts)]
    asked = [(text[0], text[1]) for text in texts] if classifier.card.task == "pair" else firsts
    return [Finding((found.label,), found.probability) for found in classifier.predict(asked)]


def truth_of(record: Record) -> tuple[Item, ...]:
    """What there is to be found in a record."""
    if isinstance(record, SpanLabelled):
        return record.spans
    return record.labels if isinstance(record, MultiLabelled) else (record.stratum(),)


def judged(classifier: Classifier, records: Sequence[Record]) -> Judged:
    """How `classifier` fares on records; none of them goes with another."""
    return judge([truth_of(record) for record in records], [one.items for one in found_in(classifier, records)])


def with_card(classifier: Classifier, **changes: object) -> Classifier:
    """The same classifier with another card."""
    card = classifier.card.model_copy(update=changes)
    return Classifier(card, classifier.module, classifier.trainable, classifier.parameters)


def task_of(records: Sequence[Record]) -> Task:
    """What records are about. Raises `InputError` for several kinds, or one that has no classes."""
    kinds = {type(record) for record in records}
    if len(kinds) != 1 or not kinds <= _TASKS.keys():
        found = ", ".join(sorted({record.kind for record in records})) or "no"
        raise InputError(f"There are {found} records to learn classes from.", hint="Prepare labelled texts or spans.")
    return _TASKS[kinds.pop()]


def class_names(records: Sequence[Record]) -> tuple[str, ...]:
    """The classes, or tags of spans, of one kind of records. Raises `InputError` where there is none."""
    return tag_names(_spans(records)) if task_of(records) == "token" else label_names(records)


def _class_weights(classifier: Classifier, tokens: LabelledTokens) -> tuple[float, ...]:
    if classifier.card.task == "labels":
        return balanced_set_weights(np.asarray(tokens.labels))
    labels = np.concatenate(list(tokens.labels)) if classifier.card.task == "token" else np.asarray(tokens.labels)
    return balanced_weights(labels[labels >= 0].tolist(), len(classifier.card.labels))


def _tokens(classifier: Classifier, records: Sequence[Record]) -> LabelledTokens:
    tokenizer, limit = classifier.loaded.tokenizer, classifier.card.max_tokens
    if classifier.card.task == "token":
        return tagged_windows(_spans(records), tokenizer, classifier.card.labels, limit)
    texts = [record for record in records if isinstance(record, Labelled | MultiLabelled | TextPair)]
    return classified_sequences(texts, tokenizer, classifier.card.labels, limit)


def _spans(records: Sequence[Record]) -> list[SpanLabelled]:
    return [record for record in records if isinstance(record, SpanLabelled)]
