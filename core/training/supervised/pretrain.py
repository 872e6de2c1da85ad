"""Continued pretraining: a model goes on learning the language of a field from plain text.

Decoders predict the next token of blocks of text, encoders hidden words or words in a random order (Gururangan et al.
2020, "Don't stop pretraining").
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from core.errors import InputError, ModelNotAvailable
from core.models.adapters import CARD, AdapterCard, Measurement
from core.models.hardware import Placement
from core.models.loading import LoadedModel, load_causal, load_encoder, load_masked_lm
from core.models.staging import check_place, new_model_folder
from core.progress import ProgressCallback
from core.training.config import Config
from core.training.data.batches import Batches, PackedBatches
from core.training.data.masking import MaskedBatches, masked_texts, masking_rule
from core.training.data.packing import causal_blocks
from core.training.data.permutation import PermutedBatches
from core.training.data.records import PlainText, Record
from core.training.data.text_tokens import plain_sequences
from core.training.loop import LoopConfig, run
from core.training.optimiser import OptimiserConfig
from core.training.supervised.causal import CausalObjective
from core.training.supervised.learner import SupervisedLearner, evaluate
from core.training.supervised.masked_lm import MaskedLMObjective, with_new_head
from core.training.supervised.objective import Objective
from core.training.supervised.trainable import ADAPTER, Trainable, TrainableConfig, make_trainable

Way = Literal["causal", "masked", "permutation"]
_EMBEDDING_RULES = (
    "modules.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
)


class PretrainConfig(Config):
    """How to learn; `rows` are in a batch, blocks or texts of at most `max_tokens`."""

    way: Way
    trainable: TrainableConfig = Field(default_factory=lambda: TrainableConfig(weights="full"))
    optimiser: OptimiserConfig = Field(default_factory=lambda: OptimiserConfig(learning_rate=5e-5))
    loop: LoopConfig
    rows: int = Field(8, ge=1)
    max_tokens: int = Field(256, ge=4)
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Pretrained:
    """A model that went on learning, and the mean loss on held-out text before and after, in nats a predicted token.

    Attributes:
        tokens: predicted in the held-out text.
    """

    trainable: Trainable
    before: float
    after: float
    tokens: int


def load_for(way: Way, name: str, *, placement: Placement, seed: int) -> tuple[LoadedModel, bool]:
    """The model `name` with the head that `way` needs, and whether that head is new, as for sentence encoders."""
    if way == "causal":
        return load_causal(name, placement=placement), False
    try:
        return load_masked_lm(name, placement=placement), False
    except ModelNotAvailable:
        return with_new_head(load_encoder(name, placement=placement), seed=seed), True


def pretrain(
    loaded: LoadedModel,
    train: Sequence[Record],
    validation: Sequence[Record],
    config: PretrainConfig,
    folder: Path,
    *,
    progress: ProgressCallback | None = None,
) -> Pretrained:
    """Go on training `loaded` (see `load_for`) and keep what does best on validation.

    Raises:
        InputError: records of another kind, no text, or an adapter for an encoder, which nothing could use.
    """
    if config.way != "causal" and config.trainable.weights != "full":
        raise InputError("An encoder learns a language with all its weights.", hint="Set weights to 'full'.")
    made = make_trainable(loaded, config.trainable, seed=config.seed)
    objective: Objective = CausalObjective() if config.way == "causal" else MaskedLMObjective(f"{config.way}_lm")
    batches, held_out = (language_batches(records, loaded, config) for records in (train, validation))
    learner = SupervisedLearner(
        loaded.model,
        made.parameters,
        objective,
        batches,
        optimiser=config.optimiser,
        steps=config.loop.steps,
        seed=config.seed,
        piece_rows=config.rows,
        device=loaded.placement.device,
        in_force=made.in_force,
    )

    def loss() -> float:
        with made.in_force():
            return evaluate(loaded.model, objective, held_out, device=loaded.placement.device)["loss"]

    before = loss()
    run(learner, config.loop, folder, evaluate=lambda: -loss(), progress=progress)
    tokens = sum(objective.targets(held_out.batch(0, number)) for number in range(len(held_out)))
    return Pretrained(made, before, loss(), tokens)


def language_batches(records: Sequence[Record], loaded: LoadedModel, config: PretrainConfig) -> Batches:
    """Batches of plain texts, as `config.way` needs them. Raises `InputError` for other records, or none."""
    texts = [record for record in records if isinstance(record, PlainText)]
    if not texts or len(texts) < len(records):
        kinds = ", ".join(sorted({record.kind for record in records})) or "no"
        raise InputError(f"There are {kinds} records where plain texts are needed.", hint="Prepare plain texts.")
    tokenizer, seed = loaded.tokenizer, config.seed
    padding = tokenizer.pad_token_id or 0
    if config.way == "causal":
        if tokenizer.eos_token_id is None:
            raise InputError("The tokenizer has no mark that ends a text.", hint="Choose another model.")
        ids = plain_sequences(texts, tokenizer).ids
        return PackedBatches(causal_blocks(ids, tokenizer.eos_token_id, config.max_tokens), config.rows, seed)
    rule = masking_rule(tokenizer)
    pieces = masked_texts(texts, tokenizer, config.max_tokens)
    if config.way == "masked":
        return MaskedBatches(pieces, rule, config.rows, seed, padding)
    fixed = [piece.groups < 0 for piece in pieces]
    return PermutedBatches([piece.ids for piece in pieces], fixed, rule.mask_id, config.rows, seed, padding)


def save_pretrained(done: Pretrained, folder: Path, *, data_sha256: str, config: PretrainConfig) -> None:
    """Write the model's folder, which every loader takes by its path; an adapter's, where an adapter learned.

    Raises:
        InputError: the folder holds something else than what was made so before; or as `save_adapter` does.
    """
    made = done.trainable
    loaded = made.loaded
    if made.adapters is not None:
        figures = (("validation: loss before", done.before), ("validation: loss", done.after))
        card = AdapterCard(
            name=ADAPTER,
            base=loaded.name,
            base_fingerprint=loaded.fingerprint,
            data_sha256=data_sha256,
            config=config.model_dump(mode="json"),
            seed=config.seed,
            report=tuple(Measurement(metric=name, value=value, n=done.tokens) for name, value in figures),
        )
        made.adapters.save(ADAPTER, folder, card)
        return
    check_free(folder, config)
    with new_model_folder(folder) as fresh:
        loaded.model.save_pretrained(fresh)
        loaded.tokenizer.save_pretrained(fresh)
        for name in _EMBEDDING_RULES:
            if (loaded.folder / name).is_file():
                (fresh / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(loaded.folder / name, fresh / name)


def check_free(folder: Path, config: PretrainConfig) -> None:
    """Whether `save_pretrained` could write there. Raises as `core.models.staging.check_place` does."""
    if config.trainable.weights == "full":
        check_place(folder, "config.json", "a model")
    else:
        check_place(folder, CARD, "an adapter")


def splits_of(splits: Mapping[str, Sequence[Record]]) -> tuple[Sequence[Record], Sequence[Record]]:
    """Training and validation. Raises `InputError` where one is empty."""
    if not splits.get("train") or not splits.get("validation"):
        raise InputError(
            "The data has no training or no validation records.", hint="Prepare it with other shares of the splits."
        )
    return splits["train"], splits["validation"]
