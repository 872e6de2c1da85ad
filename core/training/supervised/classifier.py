"""A classifier that was learned: its card, its folder, and what it says of new texts.

A folder holds `classifier.safetensors`, the weights that learned (an adapter's and the head's, or all), and
`classifier.json`, the card. The base model is named there with its fingerprint and is loaded beside.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.errors import InputError, ModelFileMismatch
from core.files import MEBIBYTE, read_bytes
from core.inference.rollout import evaluation_mode
from core.models.family import usable_positions
from core.models.hardware import Placement
from core.models.loading import LoadedModel, load_causal, load_encoder
from core.models.staging import new_model_folder
from core.training.data.batches import pad_batch
from core.training.data.packing import UNTRAINED
from core.training.supervised.classification import ClassObjective, Reading, separator_of, with_class_head
from core.training.supervised.classifier_card import (
    CARD,
    ClassifierCard,
    Task,
    check_free,
    read_classifier_card,
)
from core.training.supervised.label_scores import softmax
from core.training.supervised.tagging import FoundSpan, Window, joined, likeliest_tags, spans_of_tags, windows
from core.training.supervised.trainable import Trainable, TrainableConfig, make_trainable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

WEIGHTS = "classifier.safetensors"
_MOST_BYTES = 8192 * MEBIBYTE
_ROWS = 32


@dataclass(frozen=True, slots=True)
class ClassPrediction:
    """What a text is: the likeliest class, every class's probability, and how many tokens were cut off unread."""

    label: str
    probabilities: dict[str, float]
    tokens_cut: int

    @property
    def probability(self) -> float:
        """Of the likeliest class."""
        return self.probabilities[self.label]


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """Made by `new_classifier` and `load_classifier`."""

    card: ClassifierCard
    module: Any
    trainable: Trainable
    parameters: dict[str, torch.nn.Parameter]

    @property
    def loaded(self) -> LoadedModel:
        return self.trainable.loaded

    def objective(self, class_weights: tuple[float, ...] = ()) -> ClassObjective:
        """What it learns by."""
        config = self.loaded.model.config
        return ClassObjective(self.card.reading, separator_of(self.loaded.tokenizer, config), class_weights)

    def predict(self, texts: Sequence[str | tuple[str, str]]) -> list[ClassPrediction]:
        """Classes of texts, or of pairs. Raises `InputError` for a tagger, and for texts where pairs are needed."""
        self._check(texts)
        if not texts:
            return []
        rows, cut = self._encoded(texts)
        probabilities = softmax(self.logits(rows) / self.card.temperature)
        return [
            ClassPrediction(
                self.card.labels[int(row.argmax())],
                dict(zip(self.card.labels, row.tolist(), strict=True)),
                lost,
            )
            for row, lost in zip(probabilities, cut, strict=True)
        ]

    def tag(self, texts: Sequence[str]) -> list[tuple[FoundSpan, ...]]:
        """The spans in each text, however long it is. Raises `InputError` for a classifier of texts."""
        import numpy as np

        if self.card.task != "token":
            raise InputError("This classifier gives classes to texts, not to their parts.", hint="Use predict.")
        parts: list[list[tuple[Window, npt.NDArray[np.float64]]]] = [[] for _ in texts]
        found = windows(texts, self.loaded.tokenizer, self.card.max_tokens) if texts else []
        for window, scores in zip(found, self._token_logits([window.ids for window in found]), strict=True):
            parts[window.text].append((window, scores))
        spans = []
        for text, pieces in zip(texts, parts, strict=True):
            offsets, scores = joined(pieces)
            log_p = np.log(softmax(scores / self.card.temperature) + 1e-30) if len(scores) else scores
            tags = likeliest_tags(log_p, self.card.labels)
            sure = [float(np.exp(log_p[place, tag])) for place, tag in enumerate(tags)]
            spans.append(spans_of_tags(text, offsets, tags, self.card.labels, sure))
        return spans

    def encode(self, texts: Sequence[str | tuple[str, str]]) -> list[npt.NDArray[np.int32]]:
        """Token ids as `logits` takes them, cut at the card's limit."""
        self._check(texts)
        return self._encoded(texts)[0]

    def logits(self, rows: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.float64]:
        """``(n, C)`` scores of token sequences, before the temperature."""
        import numpy as np

        found = np.zeros((len(rows), len(self.card.labels)))
        for chosen, scores, _ in self._forward(rows):
            found[chosen] = scores
        return found

    def save(self, folder: str | Path, card: ClassifierCard | None = None) -> ClassifierCard:
        """Write it to `folder`, all or nothing. Raises `InputError` where a weight is not finite, or the folder holds
        something else."""
        from safetensors.torch import save

        folder = Path(folder)
        check_free(folder)
        weights = {name: value.detach().cpu().contiguous().clone() for name, value in self.parameters.items()}
        odd = next((name for name, value in weights.items() if not value.isfinite().all()), None)
        if odd is not None:
            raise InputError(f"'{odd}' has numbers that are not finite.", hint="Lower the learning rate.")
        data = save(weights)
        card = (card or self.card).model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})
        with new_model_folder(folder) as fresh:
            (fresh / WEIGHTS).write_bytes(data)
            text = json.dumps(card.model_dump(mode="json"), ensure_ascii=False, indent=1)
            (fresh / CARD).write_text(text, encoding="utf-8")
        return card

    def _check(self, texts: Sequence[str | tuple[str, str]]) -> None:
        if self.card.task == "token":
            raise InputError("This classifier finds parts of texts.", hint="Use tag.")
        if any(isinstance(text, str) != (self.card.task == "text") for text in texts):
            needed = "texts" if self.card.task == "text" else "pairs of texts"
            raise InputError(f"This classifier is for {needed}.", hint="Give it what it was trained on.")

    def _encoded(self, texts: Sequence[str | tuple[str, str]]) -> tuple[list[npt.NDArray[np.int32]], list[int]]:
        """Token ids, and how many of each text's were cut."""
        import numpy as np

        firsts = [text if isinstance(text, str) else text[0] for text in texts]
        seconds = [text[1] for text in texts if not isinstance(text, str)]
        columns = (firsts, seconds) if seconds else (firsts,)
        whole = self.loaded.tokenizer(*columns)["input_ids"]
        limit = self.card.max_tokens
        kept = self.loaded.tokenizer(*columns, truncation="longest_first", max_length=limit)["input_ids"]
        lost = [len(long) - len(short) for long, short in zip(whole, kept, strict=True)]
        return [np.array(row, dtype=np.int32) for row in kept], lost

    def _token_logits(self, rows: Sequence[npt.NDArray[np.int32]]) -> list[npt.NDArray[np.float64]]:
        import numpy as np

        found: list[npt.NDArray[np.float64]] = [np.zeros((0, 0))] * len(rows)
        for chosen, scores, _ in self._forward(rows):
            for row, item in enumerate(chosen.tolist()):
                found[item] = scores[row, : len(rows[item])]
        return found

    def _forward(self, rows: Sequence[npt.NDArray[np.int32]]) -> Iterator[tuple[Any, Any, Any]]:
        """Rows of similar length together: which they are, and their scores in float64."""
        import numpy as np
        import torch

        order = np.argsort([len(row) for row in rows], kind="stable")
        objective, device = self.objective(), self.loaded.placement.device
        dummy = np.full(len(rows), UNTRAINED, dtype=np.int64)
        padding = self.loaded.tokenizer.pad_token_id or 0
        for start in range(0, len(rows), _ROWS):
            chosen = order[start : start + _ROWS]
            batch = {name: tensor.to(device) for name, tensor in pad_batch(rows, dummy, chosen, padding).items()}
            with torch.no_grad(), evaluation_mode(self.module), self.trainable.in_force():
                scores = objective.logits(self.module, batch)
            yield chosen, scores.double().cpu().numpy(), batch


def new_classifier(
    base: LoadedModel,
    labels: Sequence[str],
    task: Task,
    *,
    family: Literal["encoder", "causal"] = "encoder",
    reading: Reading | None = None,
    max_tokens: int = 128,
    trainable: TrainableConfig | None = None,
    seed: int = 0,
    dropout: float = 0.1,
) -> Classifier:
    """A classifier on `base` that has not learned anything.

    Args:
        reading: which states tell the class; default: each token's for "token", else the mean of an encoder's and the
            last of a decoder's.

    Raises:
        InputError: fewer than two classes, more tokens than the base has places for, or as `make_trainable` does.
    """
    if len(labels) < 2:
        raise InputError(
            f"There is one class ('{labels[0]}'): nothing to tell apart." if labels else "There is no class.",
            hint="Add examples of another class.",
        )
    _check_length(base, max_tokens)
    trainable = trainable or TrainableConfig()
    reading = reading or ("tokens" if task == "token" else "mean" if family == "encoder" else "last")
    card = ClassifierCard(
        task=task,
        labels=tuple(labels),
        base=base.name,
        base_fingerprint=base.fingerprint,
        family=family,
        reading=reading,
        max_tokens=max_tokens,
        trainable=trainable,
        seed=seed,
    )
    return _built(card, base, dropout)


def load_classifier(folder: str | Path, *, placement: Placement | None = None) -> Classifier:
    """The classifier in `folder`, on its base model.

    Raises:
        ModelNotAvailable: no card, or one that cannot be read; or the base is not here.
        ModelFileMismatch: the weights are not those of the card, or the base has changed since.
    """
    from safetensors.torch import load

    folder = Path(folder)
    card = read_classifier_card(folder)
    data = read_bytes(folder / WEIGHTS, max_bytes=_MOST_BYTES)
    if hashlib.sha256(data).hexdigest() != card.sha256:
        raise ModelFileMismatch(f"'{folder / WEIGHTS}' is not the file of the card.", hint="Train it again.")
    base = (load_encoder if card.family == "encoder" else load_causal)(card.base, placement=placement)
    if base.fingerprint != card.base_fingerprint:
        raise ModelFileMismatch(
            f"The classifier was trained on '{card.base}' with other files than those that are here.",
            hint="Restore the model's files, or train again.",
        )
    made = _built(card, base, 0.0)
    weights = load(data)
    if weights.keys() != made.parameters.keys():
        raise ModelFileMismatch(f"The weights in '{folder}' are not those of its card.", hint="Train it again.")
    for name, parameter in made.parameters.items():
        parameter.data.copy_(weights[name])
    return made


def _check_length(base: LoadedModel, max_tokens: int) -> None:
    config = base.model.config.get_text_config(decoder=True)
    positions = getattr(config, "max_position_embeddings", None) or max_tokens
    most = usable_positions(config.model_type, int(positions), config.pad_token_id or 0)
    if max_tokens > most:
        raise InputError(f"'{base.name}' reads {most} tokens at most, not {max_tokens}.", hint="Lower max_tokens.")


def _built(card: ClassifierCard, base: LoadedModel, dropout: float) -> Classifier:
    made = make_trainable(base, card.trainable, seed=card.seed)
    module = with_class_head(base.model.base_model, len(card.labels), seed=card.seed, dropout=dropout)
    parameters = {name: value for name, value in module.named_parameters() if value.requires_grad}
    return Classifier(card, module, made, parameters)
