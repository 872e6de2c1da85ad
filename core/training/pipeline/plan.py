"""What a recipe will take, before any weight is loaded: counts, tokens, memory, and each stage's share of the work."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.models.hardware import BYTES_PER_NUMBER, Placement, choose_training_placement, memory_bytes
from core.models.locate import locate
from core.training.data.chat_tokens import ChatEncoder
from core.training.data.records import SPLITS
from core.training.memory import planned_bytes_per_token
from core.training.pipeline.bench import Bench, context_of
from core.training.pipeline.checks import check_room
from core.training.pipeline.examples import Example
from core.training.pipeline.learners import supervised_steps
from core.training.pipeline.recipe import (
    AlternationStage,
    EvolutionStage,
    PreferenceStage,
    RewardStage,
    Stage,
    SupervisedStage,
)
from core.training.token_logprobs import KEEP_BYTES

_BACKWARD = 2
"""A backward pass is reckoned as two forward passes."""
_DECODE = 2
"""A token drawn costs about so many tokens read: one at a time, it uses the machine badly."""
_OPTIMISER_BYTES = 16
"""Of a weight that learns: master, gradient and two moments in float32."""
_PROCESS_BYTES = 600_000_000
"""Of a process that trains the smallest of models: Python, torch and transformers, and kernels prepared."""
_HELD_BY_USED = 1.4
"""What a process holds for each byte that a step uses for the moment: 1.40 with a step of GRPO, SmolLM2-135M, on a CPU,
where the allocator cannot use all that was freed."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of a split's prompts and of their references, example by example."""

    prompts: tuple[int, ...]
    references: tuple[int, ...]

    @property
    def examples(self) -> int:
        return len(self.prompts)

    @property
    def prompt(self) -> float:
        """Mean."""
        return statistics.fmean(self.prompts)

    @property
    def reference(self) -> float:
        """Mean."""
        return statistics.fmean(self.references)

    @property
    def totals(self) -> list[int]:
        """Of prompt and reference together."""
        return [prompt + reference for prompt, reference in zip(self.prompts, self.references, strict=True)]


@dataclass(frozen=True, slots=True)
class StagePlan:
    """A stage: its steps, and tokens through the model, a token with its backward pass counted as three."""

    kind: str
    steps: int
    tokens: float
    drawn: int
    piece_tokens: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will take; `memory_bytes` is an estimate."""

    lengths: dict[str, Lengths]
    stages: tuple[StagePlan, ...]
    weights: int
    learning: int
    memory_bytes: int
    placement: Placement
    fingerprint: str

    @property
    def costs(self) -> list[float]:
        """Of the stages, for `RecipeProgress`."""
        return [stage.tokens for stage in self.stages]


def make_plan(bench: Bench) -> Plan:
    """The plan of a run. Raises `UnknownName` and `ModelNotAvailable` as `locate` does."""
    import transformers

    located = locate(bench.recipe.model, "causal")
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = transformers.AutoTokenizer.from_pretrained(located.folder, **options)
    config = transformers.AutoConfig.from_pretrained(located.folder, **options)
    encoder = ChatEncoder(tokenizer, config.model_type)
    lengths = {split: _lengths(bench.data.split(split), encoder) for split in SPLITS}
    check_room(bench, {split: one.prompts for split, one in lengths.items()}, context_of(config))
    stages = tuple(_stage_plan(stage, bench, lengths) for stage in bench.recipe.stage)
    placement = choose_training_placement()
    weights, learning, token_bytes = _shapes(config, placement, bench)
    piece_tokens = max(stage.piece_tokens for stage in stages)
    memory = _memory(config, placement, bench, weights, learning, token_bytes, piece_tokens)
    return Plan(lengths, stages, weights, learning, memory, placement, located.fingerprint)


def _lengths(examples: Sequence[Example], encoder: ChatEncoder) -> Lengths:
    return Lengths(
        tuple(len(encoder.prompt(example.prompt)) for example in examples),
        tuple(len(encoder.answer(example.references[0])) if example.references else 0 for example in examples),
    )


def _stage_plan(stage: Stage, bench: Bench, lengths: dict[str, Lengths]) -> StagePlan:
    train, held = lengths["train"], lengths["validation"]
    evaluation = held.examples * (held.prompt + _DECODE * bench.recipe.evaluate.max_tokens)
    learn = 1 + _BACKWARD
    drawn, note = 0, ""
    if isinstance(stage, SupervisedStage):
        cut = sum(total > stage.row_tokens for total in train.totals)
        note = (
            f"{cut} of {train.examples} examples are longer than row_tokens = {stage.row_tokens} and are cut"
            if cut
            else ""
        )
        tokens = train.examples * (train.prompt + train.reference)
        batches = max(1, round(tokens / (stage.row_tokens * stage.rows)))
        steps = supervised_steps(stage, batches)
        work, piece = steps * tokens / batches * learn, float(stage.row_tokens * stage.piece_rows)
        evaluation = held.examples * (held.prompt + held.reference)
    elif isinstance(stage, RewardStage):
        steps, pair = stage.steps, train.prompt + 2 * stage.judged.max_tokens
        work, piece = steps * stage.model.pairs * pair * learn, stage.model.piece_pairs * pair
        evaluation = held.examples * pair
        drawn = (
            (len(bench.data.train[: stage.judged.prompts]) + held.examples) * stage.judged.samples
            if stage.metric
            else 0
        )
        work += drawn * stage.judged.max_tokens * _DECODE
    elif isinstance(stage, PreferenceStage):
        steps, pair = stage.steps, train.prompt + 2 * stage.judged.max_tokens
        work, piece = steps * stage.preference.pairs * pair * (learn + 1), stage.preference.piece_pairs * pair
        drawn = len(bench.data.train[: stage.judged.prompts]) * stage.judged.samples if stage.metric else 0
        work += drawn * stage.judged.max_tokens * _DECODE
    elif isinstance(stage, EvolutionStage):
        steps, one = stage.steps, stage.evolution
        drawn = steps * 2 * one.pairs * one.prompts
        work, piece = drawn * (train.prompt + _DECODE * one.max_tokens), one.prompts * (train.prompt + one.max_tokens)
    else:
        steps, practice, algorithm = stage.steps, stage.practice, stage.algorithm
        tries = 1 + practice.redraw
        drawn = steps * practice.prompts * tries * algorithm.samples
        group = train.prompt + algorithm.samples * practice.max_tokens
        passes = learn * algorithm.epochs + algorithm.uses_reference + algorithm.uses_critic
        work = steps * practice.prompts * tries * (train.prompt + _DECODE * algorithm.samples * practice.max_tokens)
        work += steps * practice.prompts * group * passes
        if isinstance(stage, AlternationStage):
            alternation, pair = stage.alternation, train.prompt + 2 * practice.max_tokens
            work += steps * (
                practice.prompts * group + alternation.reward_steps * alternation.reward.pairs * pair * learn
            )
        piece = min(float(practice.piece_tokens), practice.prompts * group)
    evaluations = (2 + steps // stage.loop.evaluate_every) if stage.loop.evaluate_every else 1
    return StagePlan(stage.kind, steps, work + evaluations * evaluation, drawn, piece, note)


def _shapes(config: Any, placement: Placement, bench: Bench) -> tuple[int, int, float]:
    """How many weights the model has, how many of them or of its adapter learn, and bytes that layers keep of a token
    for the backward pass; nothing is loaded."""
    import torch
    import transformers

    from core.models.adapter_config import linear_layers

    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    weights = sum(parameter.numel() for parameter in model.parameters())
    choice = bench.recipe.adapter
    kept = planned_bytes_per_token(model, BYTES_PER_NUMBER[placement.dtype], whole=choice is False)
    if choice is False:
        return weights, weights, kept
    import re

    pattern = re.compile(linear_layers(model, choice.targets))
    layers = [module for path, module in model.named_modules() if pattern.fullmatch(path)]
    return weights, sum(choice.rank * sum(layer.weight.shape) for layer in layers), kept


def _memory(
    config: Any,
    placement: Placement,
    bench: Bench,
    weights: int,
    learning: int,
    token_bytes: float,
    piece_tokens: float,
) -> int:
    """Bytes: the process, weights, what learning adds to them, what is kept of the largest piece, its logits."""
    text = config.get_text_config(decoder=True)
    number = BYTES_PER_NUMBER[placement.dtype]
    copies = 2 if bench.recipe.adapter is False else 1
    logits = min(piece_tokens * text.vocab_size * number, KEEP_BYTES)
    held = weights * number * copies + learning * _OPTIMISER_BYTES
    return int(_PROCESS_BYTES + held + _HELD_BY_USED * (token_bytes * piece_tokens + logits))


def describe_plan(bench: Bench, plan: Plan) -> str:
    """The plan as people read it."""
    recipe = bench.recipe
    what = (
        "all weights learn"
        if recipe.adapter is False
        else f"LoRA of rank {recipe.adapter.rank} on {recipe.adapter.targets}"
    )
    lines = [
        f"{recipe.name}: {recipe.model} ({plan.weights / 1e6:,.1f} M weights, {plan.placement.dtype} on "
        f"{plan.placement.device}), {what}: {plan.learning / 1e6:,.3f} M learn",
        f"data '{bench.data.name}', sha256 {bench.data_sha256[:12]}",
    ]
    for split, one in plan.lengths.items():
        lines.append(
            f"  {split:<11}{one.examples:>6} examples, {one.prompt:.0f} tokens a prompt, {one.reference:.0f} a "
            f"reference, at most {max(one.totals)}"
        )
    for number, stage in enumerate(plan.stages, start=1):
        drawn = f", at most {stage.drawn:,} responses drawn" if stage.drawn else ""
        lines.append(
            f"  stage {number}: {stage.kind:<10}{stage.steps:>6} steps, about {stage.tokens / 1e3:,.0f} k tokens{drawn}"
        )
        if stage.note:
            lines.append(f"           {stage.note}")
    lines.append(f"measured: {', '.join(recipe.metrics)}; chosen by: {recipe.choice}")
    there = memory_bytes() / 1e9
    lines.append(f"memory: about {plan.memory_bytes / 1e9:.1f} GB (estimated) of {there:.1f} GB")
    lines.append(f"number format: {plan.placement.dtype} on {plan.placement.device} ({plan.placement.reason})")
    lines.append(f"output: {bench.folder}")
    return "\n".join(lines)
