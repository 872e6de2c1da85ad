"""Classification by a language model: how likely it is to write each of the choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.errors import InputError
from core.inference.generator import Generator
from core.prompts.messages import Prompt

Weigh = Literal["total", "mean"]


@dataclass(frozen=True, slots=True)
class Classification:
    """What a text was taken for.

    Attributes:
        choice: the likeliest; the first of equals.
        probabilities: of every choice, in the order given; they add up to 1 among themselves, whatever else the model
            might have written.
    """

    choice: str
    probabilities: tuple[tuple[str, float], ...]

    @property
    def probability(self) -> float:
        """Of the choice taken."""
        return dict(self.probabilities)[self.choice]


def classify(
    generator: Generator,
    prompts: Sequence[Prompt],
    choices: Sequence[str],
    *,
    weigh: Weigh = "total",
    neutral: Prompt | None = None,
) -> list[Classification]:
    """Which of the choices each prompt is likeliest to be answered with. Nothing is drawn: the choices are scored.

    Args:
        choices: at least two different texts, such as labels; each prompt is read once for all of them.
        weigh: "total" compares the choices' probabilities, which favours short ones; "mean" those of their tokens.
        neutral: the same prompt without content ("N/A" in its place). What the model prefers without having read
            anything is divided out (Zhao et al. 2021, section 5, with a diagonal matrix).

    Raises:
        InputError: fewer than two choices, or one twice or empty.
    """
    if isinstance(choices, str) or len(choices) < 2 or len(set(choices)) < len(choices) or not all(choices):
        raise InputError("The choices cannot be used.", hint="Give at least two different texts.")
    asked = [*prompts, neutral] if neutral is not None else list(prompts)
    scores = generator.score([prompt for prompt in asked for _ in choices], [*choices] * len(asked))
    values = [score.total if weigh == "total" else score.mean for score in scores]
    rows = [values[start : start + len(choices)] for start in range(0, len(values), len(choices))]
    prior = rows.pop() if neutral is not None else [0.0] * len(choices)
    return [_classification(choices, [value - at for value, at in zip(row, prior, strict=True)]) for row in rows]


def _classification(choices: Sequence[str], values: Sequence[float]) -> Classification:
    highest = max(values)
    weights = [math.exp(value - highest) for value in values]
    probabilities = [weight / sum(weights) for weight in weights]
    best = max(range(len(choices)), key=lambda index: (probabilities[index], -index))
    return Classification(choices[best], tuple(zip(choices, probabilities, strict=True)))
