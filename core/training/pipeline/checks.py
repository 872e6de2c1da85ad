"""What can be known to go wrong before any weight is loaded: a stage hours away must not be the one to find it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.errors import InputError
from core.training.credit import not_stepwise
from core.training.pipeline.bench import Bench
from core.training.pipeline.recipe import (
    REWARD_MODEL,
    AlternationStage,
    EvolutionStage,
    GRPOStage,
    PPOStage,
    PreferenceStage,
    ReinforceStage,
    RewardStage,
    Stage,
    SupervisedStage,
)
from core.training.pipeline.rewards import build_reward, check_needs, is_code, metric_part
from core.training.practice import learns_from_all
from core.training.reward import StepwiseReward


def check_stages(bench: Bench) -> None:
    """Raises `InputError` or `UnknownName` for a metric there is not, or a stage that the data has not what it takes
    for."""
    for metric in bench.metrics.values():
        for split in ("validation", "test"):
            check_needs(metric, bench.data.split(split))
    for number, stage in enumerate(bench.recipe.stage, start=1):
        try:
            _check_practice(stage)
            _check_reward(stage, bench)
            _check_examples(stage, bench)
        except InputError as error:
            raise InputError(f"Stage {number} ({stage.kind}): {error.message}", hint=error.hint) from error


def _check_practice(stage: Stage) -> None:
    if not isinstance(stage, PPOStage | GRPOStage | ReinforceStage | AlternationStage):
        return
    if stage.practice.redraw and not stage.algorithm.compares_within_groups:
        raise learns_from_all(stage.kind)


def _check_reward(stage: Stage, bench: Bench) -> None:
    if not stage.expression:
        return
    if isinstance(stage, GRPOStage) and stage.algorithm.uses_steps:
        _check_steps(stage, bench)
    if is_code(stage.expression):
        build_reward(stage.expression, bench.data.metrics, code=bench.code)
        return
    part = metric_part(stage.expression, bench.data.metrics)
    if part is not None:
        check_needs(part, bench.data.train)
        check_needs(part, bench.data.validation)  # where signs of hacking are looked for


def _check_steps(stage: GRPOStage, bench: Bench) -> None:
    learned = REWARD_MODEL in stage.metric
    reward = None if learned else build_reward(stage.metric, bench.data.metrics, code=bench.code)
    if not isinstance(reward, StepwiseReward):
        raise not_stepwise(stage.metric)


def _check_examples(stage: Stage, bench: Bench) -> None:
    if isinstance(stage, RewardStage | PreferenceStage) and not stage.metric:
        splits = ("train", "validation") if isinstance(stage, RewardStage) else ("train",)
        for split in splits:
            if not any(example.references and example.rejected for example in bench.data.split(split)):
                raise InputError(
                    f"No {split} example has a rejected response.",
                    hint="Give the stage a metric, which tells drawn responses apart, or use data with preferences.",
                )
    learns = isinstance(stage, SupervisedStage) or (isinstance(stage, AlternationStage) and not stage.metric)
    if learns:
        for split in ("train", "validation"):
            if not any(example.references for example in bench.data.split(split)):
                raise InputError(f"No {split} example has a reference to learn from.", hint="Give responses.")


def check_room(bench: Bench, prompts: Mapping[str, Sequence[int]], context: int) -> None:
    """Raises `InputError` where a prompt and a response are longer than the model takes.

    Args:
        prompts: tokens of each prompt, by split.
        context: what the model takes, in tokens.
    """
    wanted = [("evaluate", split, bench.recipe.evaluate.max_tokens) for split in ("validation", "test")]
    for number, stage in enumerate(bench.recipe.stage, start=1):
        tokens = drawn_tokens(stage)
        if tokens:
            wanted.append((f"stage {number} ({stage.kind})", "train", tokens))
    for where, split, tokens in wanted:
        for example, length in zip(bench.data.split(split), prompts[split], strict=True):
            if length + tokens > context:
                raise InputError(
                    f"The prompt of '{example.id}' has {length:,} tokens; with a response of {tokens} ({where}: "
                    f"max_tokens) it is longer than the {context:,} that '{bench.recipe.model}' takes.",
                    hint="Shorten its evidence, or lower max_tokens.",
                )


def drawn_tokens(stage: Stage) -> int:
    """The longest response that a stage draws; 0 where it draws none."""
    if isinstance(stage, SupervisedStage):
        return 0
    if isinstance(stage, RewardStage | PreferenceStage):
        return stage.judged.max_tokens if stage.metric else 0
    return stage.evolution.max_tokens if isinstance(stage, EvolutionStage) else stage.practice.max_tokens
