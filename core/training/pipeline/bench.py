"""What all stages of a run share: recipe, data, measures, and the model as a stage finds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.metrics.metric import Metric
from core.models.hardware import choose_training_placement
from core.models.held_memory import bound_kernels
from core.models.loading import LoadedModel, load_causal
from core.seeds import derived_seed
from core.training.data.chat_tokens import ChatEncoder
from core.training.experience import PromptItem
from core.training.pipeline.evaluation import Evaluation, Evaluator
from core.training.pipeline.examples import Example, RecipeData
from core.training.pipeline.recipe import Recipe
from core.training.pipeline.rewards import measure
from core.training.policy import Critic, Policy, adapted_policy, full_policy
from core.training.team import Team

EVALUATIONS = "evaluations"
_UNSTATED_CONTEXT = 2048
"""Where a model's configuration does not say, as `core.inference.rollout` has it."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Made by `core.training.pipeline.run`.

    Attributes:
        folder: of the run's output.
        code: where rewards that are code are looked for; None where the recipe does not allow them.
        data_sha256: of the examples.
        evaluations: where answers are kept; None for the folder's own place. Runs that share it measure a policy once.
    """

    recipe: Recipe
    data: RecipeData
    data_sha256: str
    folder: Path
    code: Path | None
    team: Team
    evaluations: Path | None = None

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What is measured, by expression."""
        return {expression: measure(expression, self.data.metrics) for expression in self.recipe.metrics}

    def evaluator(self, split: str) -> Evaluator:
        """Measures policies on "validation" or "test"."""
        return Evaluator(
            self.data.split(split),
            self.metrics,
            max_tokens=self.recipe.evaluate.max_tokens,
            folder=(self.evaluations or self.folder / EVALUATIONS) / split,
        )

    def seed(self, number: int) -> int:
        """Of stage `number` (from 1)."""
        return derived_seed(self.recipe.seed, "stage", number)

    def load(self, start: Path | None) -> LoadedModel:
        """The model that a stage begins with: the base, or where all weights learn, what the last stage made of it."""
        bound_kernels()
        whole = self.recipe.adapter is False and start is not None
        return load_causal(str(start) if whole else self.recipe.model, placement=choose_training_placement())

    def policy(self, start: Path | None, seed: int, *, critic: Critic = "none", reference: bool = True) -> Policy:
        """The policy as `start` (an adapter's folder or a model's) left it; None for a new one."""
        loaded = self.load(start)
        if self.recipe.adapter is False:
            return full_policy(loaded, critic=critic, reference=reference)
        chosen = self.recipe.adapter
        return adapted_policy(
            loaded, seed=seed, rank=chosen.rank, targets=chosen.targets, critic=critic, start_from=start
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stage stands.

    Attributes:
        number: from 1.
        start: folder of the policy it starts from; None for the base model.
        reward: folder of the reward model learned before it.
        before: the evaluation on validation of what it starts from.
    """

    number: int
    folder: Path
    start: Path | None
    reward: Path | None
    before: Evaluation


def encoder_of(loaded: LoadedModel) -> ChatEncoder:
    """How conversations are written for the model."""
    return ChatEncoder(loaded.tokenizer, loaded.model.config.model_type)


def context_of(config: Any) -> int:
    """Tokens that a model takes, prompt and response together."""
    text = config.get_text_config(decoder=True)
    return int(getattr(text, "max_position_embeddings", None) or _UNSTATED_CONTEXT)


def prompt_items(examples: Sequence[Example], loaded: LoadedModel, max_tokens: int) -> list[PromptItem]:
    """Prompts as tokens. Raises `InputError` for one that leaves no room for a response of `max_tokens`."""
    encoder = encoder_of(loaded)
    context = context_of(loaded.model.config)
    items = []
    for example in examples:
        ids = tuple(encoder.prompt(example.prompt))
        if len(ids) + max_tokens > context:
            raise InputError(
                f"The prompt of '{example.id}' has {len(ids):,} tokens; with a response of {max_tokens} it is longer "
                f"than the {context:,} that '{loaded.name}' takes.",
                hint="Shorten its evidence, or lower max_tokens.",
            )
        items.append(PromptItem(example.id, ids, example.prompt[-1].content, example.context))
    return items
