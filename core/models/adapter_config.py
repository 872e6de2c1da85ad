"""Which LoRA a model gets, and which of peft's configurations are taken from a file.

Low-rank adaptation: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from core.errors import InputError, ModelNotAvailable
from core.files import parse_json

Targets = Literal["attention", "feed-forward", "all"]
_ATTENTION = ("attn", "attention")
_TAKEN = frozenset(
    {
        "alpha_pattern",
        "auto_mapping",
        "base_model_name_or_path",
        "exclude_modules",
        "fan_in_fan_out",
        "inference_mode",
        "init_lora_weights",
        "layers_pattern",
        "layers_to_transform",
        "lora_alpha",
        "lora_dropout",
        "modules_to_save",
        "peft_type",
        "peft_version",
        "r",
        "rank_pattern",
        "revision",
        "target_modules",
        "task_type",
        "use_dora",
        "use_rslora",
    }
)
"""What an adapter may set. The rest must be as peft has it by default: it would change the base model's own weights or
layers, so that taking the adapter off did not bring them back, or import a module that the file names."""


def lora_config(
    model: Any,
    *,
    rank: int = 16,
    alpha: int | None = None,
    dropout: float = 0.0,
    targets: Targets | Sequence[str] = "attention",
    heads: Sequence[str] = (),
) -> Any:
    """A `peft.LoraConfig` for `model`.

    Args:
        model: a transformers model without adapters.
        rank: of the update of each weight matrix.
        alpha: the update is scaled by alpha / rank; twice the rank by default.
        dropout: of the update's input, while training.
        targets: which linear layers of the transformer's blocks: those of attention, the others, both; or names of
            layers as peft takes them.
        heads: names of modules that are trained in full and saved with the adapter, such as a new classifier.

    Raises:
        InputError: a value out of its range, or the model has no such layers.
    """
    from peft import LoraConfig

    if rank < 1 or not 0 <= dropout < 1 or (alpha is not None and alpha <= 0):
        raise InputError(
            f"LoRA: rank = {rank}, alpha = {alpha}, dropout = {dropout} cannot be used.",
            hint="Use a rank of 1 or more, alpha above 0, dropout from 0 to below 1.",
        )
    layers = linear_layers(model, targets) if isinstance(targets, str) else list(targets)
    if not layers:
        raise InputError(
            f"{type(model).__name__} has no layers called '{targets}'.", hint="Choose attention, feed-forward or all."
        )
    return LoraConfig(
        r=rank,
        lora_alpha=2 * rank if alpha is None else alpha,
        lora_dropout=dropout,
        target_modules=layers,
        modules_to_save=list(heads) or None,
        fan_in_fan_out=any(type(module).__name__ == "Conv1D" for module in model.modules()),
    )


def linear_layers(model: Any, targets: str) -> str:
    """A pattern that fits the paths of the linear layers in a transformer's numbered blocks; empty if there are none.

    A pattern, since the last part of a path does not tell: GPT-2 has `attn.c_proj` and `mlp.c_proj`.

    Raises `InputError` for another word than those of `Targets`.
    """
    if targets not in ("attention", "feed-forward", "all"):
        raise InputError(f"There are no layers called '{targets}'.", hint="Choose attention, feed-forward or all.")
    chosen = set()
    for path, module in model.named_modules():
        numbered = re.fullmatch(r"(?:.*\.)?\d+\.(\D+)", path)
        if numbered and type(module).__name__ in ("Linear", "Conv1D", "Int8Linear"):
            inside = any(word in numbered[1].lower().rpartition(".")[0] for word in _ATTENTION)
            if targets == "all" or inside == (targets == "attention"):
                chosen.add(re.escape(numbered[1]))
    return rf"(?:.*\.)?\d+\.(?:{'|'.join(sorted(chosen))})" if chosen else ""


def unsupported(config: dict[str, Any]) -> list[str]:
    """Names of the options in peft's `config` that an `AdapterSet` does not take."""
    from peft import LoraConfig

    default = LoraConfig().to_dict()
    odd = [key for key, value in config.items() if key not in _TAKEN and value != default.get(key)]
    start = config.get("init_lora_weights", True)  # others write into the base model's weights
    return sorted(odd if isinstance(start, bool) or start == "gaussian" else [*odd, "init_lora_weights"])


def read_lora_config(text: str | bytes, where: str) -> Any:
    """The `peft.LoraConfig` of an adapter's file.

    Raises:
        ModelNotAvailable: not LoRA, or LoRA of a kind that cannot be taken off again.
    """
    from peft import LoraConfig

    hint = "Only plain LoRA adapters are attached (rank, alpha, targets, DoRA, rank-stabilised, heads)."
    try:
        given = parse_json(text, where)
        if not isinstance(given, dict) or given.get("peft_type") != "LORA":
            raise ModelNotAvailable(f"'{where}' does not describe a LoRA adapter.", hint=hint)
        if odd := unsupported(given):
            raise ModelNotAvailable(f"'{where}' asks for {', '.join(odd)}, which is not supported.", hint=hint)
        return LoraConfig(**{key: value for key, value in given.items() if key in _TAKEN})
    except (InputError, ValueError, TypeError) as error:
        raise ModelNotAvailable(f"'{where}' cannot be used: {error}.", hint=hint) from error
