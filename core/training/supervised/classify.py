"""Learning a classifier from prepared records: labels, batches, the loop, calibration and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from core.errors import InputError
from core.inference.rollout import evaluation_mode
from core.models.adapters import Measurement
from core.models.loading import LoadedModel
from core.progress import ProgressCallback
from core.training.data.batches import BucketedBatches, pad_batch
from core.training.data.records import Labelled, Record, SpanLabelled, TextPair
from core.training.data.text_tokens import LabelledTokens, classified_sequences, label_names, tag_names
from core.training.loop import LoopConfig, run
from core.training.optimiser import OptimiserConfig
from core.training.supervised.classification import balanced_weights, standardise
from core.training.supervised.classifier import Classifier, new_classifier
from core.training.supervised.classifier_card import Task
from core.training.supervised.easy_first import difficulties, easy_first, lengths
from core.training.supervised.label_scores import (
    calibration_error,
    class_scores,
    fitted_temperature,
    softmax,
    span_counts,
    span_scores,
)
from core.training.supervised.learner import SupervisedLearner
from core.training.supervised.tagging import tagged_windows
from core.training.supervised.trainable import TrainableConfig

if TYPE_CHECKING:
    import torch

_FIRST = 64
"""Training examples whose states say where a head begins."""
_TASKS: Mapping[type[Record], Task] = {Labelled: "text", TextPair: "pair", SpanLabelled: "token"}


class ClassifyConfig(BaseModel):
    """How to learn. `balanced` weighs classes against their frequency; `easy_first` orders the first epoch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trainable: TrainableConfig = Field(default_factory=TrainableConfig)
    optimiser: OptimiserConfig = Field(
        default_factory=lambda: OptimiserConfig(learning_rate=5e-4, schedule="linear", weight_decay=0.01)
    )
    loop: LoopConfig
    batch: int = Field(16, ge=1)
    max_tokens: int = Field(128, ge=4)
    balanced: bool = False
    easy_first: Literal["", "length", "difficulty"] = ""
    dropout: float = Field(0.1, ge=0, lt=1)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Learned:
    """A classifier with its temperature, and how it did on each held-out split."""

    classifier: Classifier
    scores: Mapping[str, tuple[Measurement, ...]]


def learn_classifier(
    base: LoadedModel,
    splits: Mapping[str, Sequence[Record]],
    config: ClassifyConfig,
    folder: Path,
    *,
    family: Literal["encoder", "causal"] = "encoder",
    data_sha256: str = "",
    progress: ProgressCallback | None = None,
) -> Learned:
    """Learn from `splits["train"]`; keep the best by `splits["validation"]` (macro-F1, F1 of spans), calibrate on it.

    Args:
        splits: "train", "validation", and what else is to be measured once in the end, such as "test".
        folder: of the run's checkpoints; the classifier itself is saved by its `save`.

    Raises:
        InputError: records of several kinds, one class only, or a label that training has not seen.
    """
    train, validation = splits["train"], splits["validation"]
    task = _task_of(train)
    names = tag_names(_spans(train)) if task == "token" else label_names(train)
    classifier = new_classifier(
        base,
        names,
        task,
        family=family,
        max_tokens=config.max_tokens,
        trainable=config.trainable,
        seed=config.seed,
        dropout=config.dropout,
    )
    tokens = _tokens(classifier, train)
    weights = balanced_weights([int(label) for label in tokens.labels], len(names)) if config.balanced else ()
    batches = BucketedBatches(tokens.ids, tokens.labels, config.batch, config.seed, base.tokenizer.pad_token_id or 0)
    if config.easy_first:
        by_length = config.easy_first == "length"
        batches = easy_first(batches, lengths(batches) if by_length else difficulties(batches, train))
    objective = classifier.objective(weights)
    first = _moved(pad_batch(tokens.ids, tokens.labels, np.arange(min(_FIRST, len(tokens.ids))), batches.pad_id), base)
    with evaluation_mode(classifier.module), classifier.trainable.in_force():
        standardise(classifier.module, objective, first)
    learner = SupervisedLearner(
        classifier.module,
        classifier.parameters,
        objective,
        batches,
        optimiser=config.optimiser,
        steps=config.loop.steps,
        seed=config.seed,
        piece_rows=config.batch,
        device=base.placement.device,
        in_force=classifier.trainable.in_force,
    )

    def held_out() -> float:
        return next(m.value for m in measured(classifier, validation) if m.metric in ("macro_f1", "entity_f1"))

    run(learner, config.loop, folder, evaluate=held_out, progress=progress)
    classifier = calibrated(classifier, validation) if task != "token" else classifier
    scores = {name: measured(classifier, records) for name, records in splits.items() if name != "train" and records}
    report = tuple(
        m.model_copy(update={"metric": f"{name}/{m.metric}"}) for name, found in scores.items() for m in found
    )
    about = {"report": report, "data_sha256": data_sha256, "config": config.model_dump(mode="json")}
    return Learned(_with_card(classifier, **about), scores)


def measured(classifier: Classifier, records: Sequence[Record]) -> tuple[Measurement, ...]:
    """Accuracy, macro-F1 and calibration error of classes; precision, recall and F1 of spans.

    Raises:
        InputError: there are no records, or a label the classifier does not know.
    """
    if not records:
        raise InputError("There is nothing to measure on.", hint="Prepare data with a validation split.")
    if classifier.card.task == "token":
        spans = _spans(records)
        found = classifier.tag([record.text for record in spans])
        counts = [
            span_counts(record.spans, [span.labelled for span in row]) for record, row in zip(spans, found, strict=True)
        ]
        return span_scores(counts)
    tokens = _tokens(classifier, records)
    truth = [int(label) for label in tokens.labels]
    probabilities = softmax(classifier.logits(tokens.ids) / classifier.card.temperature)
    error = Measurement(metric="calibration_error", value=calibration_error(probabilities, truth), n=len(truth))
    return (*class_scores(truth, probabilities.argmax(axis=1).tolist()), error)


def calibrated(classifier: Classifier, records: Sequence[Record]) -> Classifier:
    """The classifier with the temperature under which held-out `records` are likeliest."""
    tokens = _tokens(classifier, records)
    temperature = fitted_temperature(classifier.logits(tokens.ids), [int(label) for label in tokens.labels])
    return _with_card(classifier, temperature=temperature)


def _moved(batch: Mapping[str, torch.Tensor], base: LoadedModel) -> dict[str, torch.Tensor]:
    return {name: tensor.to(base.placement.device) for name, tensor in batch.items()}


def _with_card(classifier: Classifier, **changes: object) -> Classifier:
    card = classifier.card.model_copy(update=changes)
    return Classifier(card, classifier.module, classifier.trainable, classifier.parameters)


def _task_of(records: Sequence[Record]) -> Task:
    kinds = {type(record) for record in records}
    if len(kinds) != 1 or not kinds <= _TASKS.keys():
        found = ", ".join(sorted({record.kind for record in records})) or "no"
        raise InputError(f"There are {found} records to learn classes from.", hint="Prepare labelled texts or spans.")
    return _TASKS[kinds.pop()]


def _tokens(classifier: Classifier, records: Sequence[Record]) -> LabelledTokens:
    tokenizer, limit = classifier.loaded.tokenizer, classifier.card.max_tokens
    if classifier.card.task == "token":
        return tagged_windows(_spans(records), tokenizer, classifier.card.labels, limit)
    texts = [record for record in records if isinstance(record, Labelled | TextPair)]
    return classified_sequences(texts, tokenizer, classifier.card.labels, limit)


def _spans(records: Sequence[Record]) -> list[SpanLabelled]:
    return [record for record in records if isinstance(record, SpanLabelled)]
