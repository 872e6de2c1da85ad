"""A classifier that was learned: its card, its folder, and what it says of new texts.

A folder holds `classifier.safetensors`, the weights that learned (an adapter's and the head's, or all), and
`classifier.json`, the card. The base model is named there with its fingerprint and is loaded beside.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.errors import InputError
from core.inference.rollout import evaluation_mode
from core.models.family import usable_positions
from core.models.loading import LoadedModel
from core.models.staging import new_model_folder
from core.training.data.batches import pad_batch
from core.training.data.packing import UNTRAINED
from core.training.supervised.classification import (
    ClassObjective,
    ClassSetObjective,
    Reading,
    separator_of,
    with_class_head,
)
from core.training.supervised.classifier_card import (
    CARD,
    ClassifierCard,
    Task,
    card_json,
    check_free,
)
from core.training.supervised.label_scores import sigmoid, softmax
from core.training.supervised.tagging import FoundSpan, Window, joined, likeliest_tags, spans_of_tags, windows
from core.training.supervised.trainable import Trainable, TrainableConfig, make_trainable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

WEIGHTS = "classifier.safetensors"
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


@dataclass(frozen=True, slots=True)
class SetPrediction:
    """Which classes a text has, every class's probability, and how many tokens were cut off unread."""

    labels: tuple[str, ...]
    probabilities: dict[str, float]
    tokens_cut: int


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """Made by `new_classifier`, and by `core.training.supervised.classifier_store.load_classifier`."""

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
        made = ClassSetObjective if self.card.task == "labels" else ClassObjective
        return made(self.card.reading, separator_of(self.loaded.tokenizer, config), class_weights)

    def predict(self, texts: Sequence[str | tuple[str, str]]) -> list[ClassPrediction]:
        """The class of each text, or pair. Raises `InputError` for a classifier of another kind, and for texts where
        pairs are needed."""
        self._check(texts)
        if self.card.task == "labels":
            raise InputError("This classifier gives a text any number of classes.", hint="Use predict_sets.")
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

    def predict_sets(self, texts: Sequence[str]) -> list[SetPrediction]:
        """The classes of each text, any number of them. Raises `InputError` for a classifier of another kind."""
        self._check(texts)
        if self.card.task != "labels":
            raise InputError("This classifier gives a text one class.", hint="Use predict.")
        if not texts:
            return []
        rows, cut = self._encoded(texts)
        found = []
        for row, lost in zip(sigmoid(self.logits(rows) / self.card.temperature), cut, strict=True):
            probabilities = dict(zip(self.card.labels, row.tolist(), strict=True))
            given = (label for label, probability in probabilities.items() if probability >= self.card.threshold)
            found.append(SetPrediction(tuple(given), probabilities, lost))
        return found

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
        for chosen, scores in self._forward(rows):
            found[chosen] = scores
        return found

    def features(self, rows: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.float32]:
        """``(n, H)`` what the head is given of each token sequence, for a classifier of texts or pairs."""
        import numpy as np

        width = self.loaded.model.config.get_text_config(decoder=True).hidden_size
        found = np.zeros((len(rows), width), dtype=np.float32)
        for chosen, batch in self._batches(rows):
            with self._in_use():
                states = self.objective().features(self.module, batch)
            found[chosen] = states.cpu().numpy()
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
            (fresh / CARD).write_text(card_json(card), encoding="utf-8")
        return card

    def _check(self, texts: Sequence[str | tuple[str, str]]) -> None:
        if self.card.task == "token":
            raise InputError("This classifier finds parts of texts.", hint="Use tag.")
        if any(isinstance(text, str) == (self.card.task == "pair") for text in texts):
            needed = "pairs of texts" if self.card.task == "pair" else "texts"
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
        for chosen, scores in self._forward(rows):
            for row, item in enumerate(chosen.tolist()):
                found[item] = scores[row, : len(rows[item])]
        return found

    def _forward(self, rows: Sequence[npt.NDArray[np.int32]]) -> Iterator[tuple[Any, Any]]:
        """Which rows, and their scores in float64."""
        for chosen, batch in self._batches(rows):
            with self._in_use():
                scores = self.objective().logits(self.module, batch)
            yield chosen, scores.double().cpu().numpy()

    def _batches(self, rows: Sequence[npt.NDArray[np.int32]]) -> Iterator[tuple[Any, Any]]:
        """Rows of similar length together: which they are, and their batch."""
        import numpy as np

        order = np.argsort([len(row) for row in rows], kind="stable")
        dummy = np.full(len(rows), UNTRAINED, dtype=np.int64)
        padding = self.loaded.tokenizer.pad_token_id or 0
        for start in range(0, len(rows), _ROWS):
            chosen = order[start : start + _ROWS]
            batch = pad_batch(rows, dummy, chosen, padding)
            yield chosen, {name: tensor.to(self.loaded.placement.device) for name, tensor in batch.items()}

    @contextlib.contextmanager
    def _in_use(self) -> Iterator[None]:
        import torch

        with torch.no_grad(), evaluation_mode(self.module), self.trainable.in_force():
            yield


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
    return built(card, base, dropout)


def _check_length(base: LoadedModel, max_tokens: int) -> None:
    config = base.model.config.get_text_config(decoder=True)
    positions = getattr(config, "max_position_embeddings", None) or max_tokens
    most = usable_positions(config.model_type, int(positions), config.pad_token_id or 0)
    if max_tokens > most:
        raise InputError(f"'{base.name}' reads {most} tokens at most, not {max_tokens}.", hint="Lower max_tokens.")


def built(card: ClassifierCard, base: LoadedModel, dropout: float = 0.0) -> Classifier:
    """The classifier of a card on its base, with weights that have learned nothing."""
    made = make_trainable(base, card.trainable, seed=card.seed)
    module = with_class_head(base.model.base_model, len(card.labels), seed=card.seed, dropout=dropout)
    parameters = {name: value for name, value in module.named_parameters() if value.requires_grad}
    return Classifier(card, module, made, parameters)
