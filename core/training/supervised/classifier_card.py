"""The card of a classifier: what it is, what made it, how good it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.models.adapters import Measurement
from core.models.model_card import read_model_card
from core.models.staging import check_place
from core.training.supervised.classification import Reading
from core.training.supervised.trainable import TrainableConfig

CARD = "classifier.json"
Task = Literal["text", "pair", "labels", "token"]
"""One class of each text or pair, any number of classes of each text, or spans of it."""


class ClassifierCard(BaseModel):
    """What a classifier is and what made it.

    Attributes:
        labels: names of the classes by number; for tokens, tags.
        family: how the base is loaded.
        temperature: divides the scores before they become probabilities; fitted on validation.
        threshold: of "labels": a class from this probability on is given; chosen on validation.
        sha256: of the weights' file; `save` fills it in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: Literal[1] = 1
    task: Task
    labels: tuple[str, ...] = Field(min_length=2)
    base: str
    base_fingerprint: str
    family: Literal["encoder", "causal"]
    reading: Reading
    max_tokens: int = Field(ge=2)
    trainable: TrainableConfig
    seed: int
    data_sha256: str = ""
    config: dict[str, Any] = Field(default_factory=dict)
    temperature: float = Field(1.0, gt=0)
    threshold: float = Field(0.5, ge=0, le=1)
    report: tuple[Measurement, ...] = ()
    created: datetime = Field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    sha256: str = ""


def card_json(card: ClassifierCard) -> str:
    """The card as its file has it."""
    return json.dumps(card.model_dump(mode="json"), ensure_ascii=False, indent=1)


def check_free(folder: Path) -> None:
    """Whether a classifier can be written there. Raises as `core.models.staging.check_place` does."""
    check_place(folder, CARD, "a classifier")


def read_classifier_card(folder: Path) -> ClassifierCard:
    """The card in `folder`. Raises `ModelNotAvailable`."""
    return read_model_card(folder / CARD, ClassifierCard, "a classifier")
