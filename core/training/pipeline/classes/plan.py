"""What a recipe of classes will take, before any weight is loaded: counts, tokens, memory, steps."""

from __future__ import annotations

import re
from typing import Any

from core.errors import InputError
from core.models.adapter_config import linear_layers
from core.models.family import usable_positions
from core.models.hardware import choose_placement, memory_bytes
from core.models.locate import locate
from core.training.data.card import label_counts
from core.training.data.records import SPLITS
from core.training.pipeline.classes.bench import ClassBench, family_named

_WEIGHT_BYTES, _LEARNING_BYTES = 4, 12
"""In float32: a weight; gradient and two moments of one that learns."""
_LEARNS = {"lora": "LoRA of rank {}", "full": "all weights learn", "none": "the head alone"}


def describe_class_plan(bench: ClassBench) -> str:
    """The plan as people read it. Raises `InputError` for texts longer than the model takes, and as `locate` does."""
    import transformers

    located = locate(bench.recipe.model)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = transformers.AutoTokenizer.from_pretrained(located.folder, **options)
    config = transformers.AutoConfig.from_pretrained(located.folder, **options)
    _check_room(bench, config)
    stage, of_spans = bench.stage, bench.data.task == "token"
    counts = label_counts(bench.data.train)
    weights, learning = _weights(config, bench, 2 * len(counts) + 1 if of_spans else len(counts))
    begin = stage.start or ("untaught" if of_spans else "probe")
    epochs = stage.steps * stage.batch / len(bench.data.train)
    return "\n".join(
        [
            f"{bench.recipe.name}: {bench.recipe.model} ({weights / 1e6:,.1f} M weights, float32 on "
            f"{choose_placement().device}), {_LEARNS[stage.trainable.weights].format(stage.trainable.rank)}: "
            f"{learning / 1e6:,.3f} M learn",
            f"data '{bench.data.name}', sha256 {bench.data_sha256[:12]}; {len(counts)} "
            f"{'spans' if of_spans else 'classes'}, {min(counts.values())} to {max(counts.values())} of each in train",
            *(f"  {split:<11}{_lengths(bench, split, tokenizer)}" for split in SPLITS),
            f"  stage 1: classify  {stage.steps} steps of {stage.batch}, {epochs:.1f} times through train; the head "
            f"begins {'as a probe' if begin == 'probe' else begin}",
            f"measured: {', '.join(bench.recipe.metrics)}; chosen by: {bench.recipe.choice}",
            f"memory: about {_memory(config, bench, weights, learning) / 1e9:.1f} GB (estimated) of "
            f"{memory_bytes() / 1e9:.1f} GB",
            f"output: {bench.folder}",
        ]
    )


def _check_room(bench: ClassBench, config: Any) -> None:
    text = config.get_text_config(decoder=True)
    positions = int(getattr(text, "max_position_embeddings", None) or bench.stage.max_tokens)
    most = usable_positions(text.model_type, positions, getattr(text, "pad_token_id", None) or 0)
    if bench.stage.max_tokens > most:
        raise InputError(
            f"'{bench.recipe.model}' reads {most} tokens at most, not {bench.stage.max_tokens}.",
            hint="Lower max_tokens.",
        )


def _lengths(bench: ClassBench, split: str, tokenizer: Any) -> str:
    records = bench.data.split(split)
    columns = [list(column) for column in zip(*(record.texts() for record in records), strict=True)]
    sizes = [len(ids) for ids in tokenizer(*columns)["input_ids"]]
    limit = bench.stage.max_tokens
    longer = sum(size > limit for size in sizes)
    done = "read in windows" if bench.data.task == "token" else "cut"
    note = f"; {longer} longer than max_tokens = {limit} are {done}" if longer else ""
    return f"{len(records):>6} records, {sum(sizes) / len(sizes):.0f} tokens each, at most {max(sizes)}{note}"


def _weights(config: Any, bench: ClassBench, classes: int) -> tuple[int, int]:
    """How many weights the model has, and how many learn in it and in the head; nothing is loaded."""
    import torch
    import transformers

    causal = family_named(bench.recipe.model) == "causal"
    with torch.device("meta"):
        made = transformers.AutoModelForCausalLM if causal else transformers.AutoModel
        model = made.from_config(config, trust_remote_code=False)
    weights = sum(parameter.numel() for parameter in model.parameters())
    trainable, width = bench.stage.trainable, config.get_text_config(decoder=True).hidden_size
    head = classes * (width + 1) + width + 1  # a linear layer, and the shift and scale before it
    if trainable.weights != "lora":
        return weights, head + (weights if trainable.weights == "full" else 0)
    pattern = re.compile(linear_layers(model, trainable.targets))
    layers = [module for path, module in model.named_modules() if pattern.fullmatch(path)]
    return weights, head + sum(trainable.rank * sum(layer.weight.shape) for layer in layers)


def _memory(config: Any, bench: ClassBench, weights: int, learning: int) -> int:
    """Bytes: weights, what learning adds, activations of a batch of the longest texts (Korthikanti et al. 2022, eq. 1,
    without attention scores)."""
    text, stage = config.get_text_config(decoder=True), bench.stage
    tokens = 0 if stage.trainable.weights == "none" else stage.batch * stage.max_tokens
    activations = 34 / 2 * _WEIGHT_BYTES * tokens * text.hidden_size * text.num_hidden_layers
    return int(weights * _WEIGHT_BYTES + learning * (_WEIGHT_BYTES + _LEARNING_BYTES) + activations)
