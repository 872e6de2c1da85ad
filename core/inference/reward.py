"""A learned reward for short answers from evidence: a linear head on what a causal model makes of the answer.

A folder holds it: `head.safetensors`, and `card.json`, which names the model that reads, its layer and its prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from core.errors import ModelFileMismatch, UnreadableFile
from core.files import read_bytes, write_atomic
from core.inference.states import AnswerStates
from core.metrics.answer_place import FEATURES, answer_place
from core.metrics.learned import LearnedReward, LinearHead
from core.metrics.metric import Context
from core.models.loading import load_causal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

CARD = "card.json"


class Card(BaseModel):
    """What a learned reward is.

    Attributes:
        model: the causal model that reads the answers, and the fingerprint of its files.
        layers: how many of its layers are run.
        template: its prompt, with {evidence} and {question}.
        learned_on: the data, in words.
        figures: what was measured, and on what.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    fingerprint: str
    layers: int = Field(ge=1)
    template: str
    learned_on: str
    figures: dict[str, float] = {}

    @field_validator("template")
    @classmethod
    def _two_places(cls, template: str) -> str:
        places = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
        if places != {"evidence", "question"}:
            raise ValueError("the template must have {evidence} and {question}, and no other place")
        return template


@dataclass(frozen=True, slots=True, eq=False)
class AnswerFeatures:
    """``(n, 5 + 2d)``: where each answer stands (`core.metrics.answer_place`), then the states of the model reading it.

    The context's prompt is the question alone.
    """

    states: AnswerStates
    template: str

    def __call__(self, candidates: Sequence[str], contexts: Sequence[Context]) -> Vectors:
        import numpy as np

        prompts = [
            self.template.format(evidence="\n".join(context.evidence), question=context.prompt) for context in contexts
        ]
        places = [
            answer_place(context.prompt, context.evidence, text)
            for text, context in zip(candidates, contexts, strict=True)
        ]
        placed = np.array(places, dtype=np.float32).reshape(len(candidates), len(FEATURES))
        return np.concatenate([placed, self.states.read(prompts, candidates)], axis=1)


def open_features(card: Card) -> AnswerFeatures:
    """The features a card describes. Raises as `load_causal` does, and `ModelFileMismatch` for another model."""
    loaded = load_causal(card.model)
    if loaded.fingerprint != card.fingerprint:
        raise ModelFileMismatch(
            f"The reward was learned with other files of '{card.model}'.", hint="Learn the reward again."
        )
    return AnswerFeatures(AnswerStates(loaded, card.layers), card.template)


def save_reward(folder: Path, head: LinearHead, card: Card) -> None:
    """Leaves head and card in the folder; the card last."""
    folder.mkdir(parents=True, exist_ok=True)
    head.write(folder)
    write_atomic(folder / CARD, card.model_dump_json(indent=2))


def load_reward(folder: str | Path) -> LearnedReward:
    """The reward in a folder.

    Raises:
        UnreadableFile: no card or head there, or a damaged one.
        ModelFileMismatch, ModelNotAvailable: the model it reads with is another, or not on this machine.
    """
    folder = Path(folder)
    try:
        card = Card.model_validate_json(read_bytes(folder / CARD))
    except ValidationError as error:
        raise UnreadableFile(
            f"'{folder / CARD}' is no card of a learned reward: {error.errors()[0]['msg']}.",
            hint="Learn the reward again.",
        ) from error
    return LearnedReward(open_features(card), LinearHead.read(folder))
