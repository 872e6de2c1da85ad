"""What kind of model a folder holds, from its configuration: which loader it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from core.errors import ModelNotAvailable

Family = Literal["causal", "seq2seq", "embedder", "reranker", "classifier", "encoder", "spacy"]
"""The kinds of the catalogue, and two that a folder may be beside: a classifier with several outputs, and an encoder
that does not say how its token states become one vector (it loads as an embedder with the mean)."""

_POSITIONS_AFTER_PADDING = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet")
"""Families whose positions count from the padding token's id + 1, so that fewer are left for the text."""

_UNTOLD_TOKENS = 512
"""For relative positions where neither configuration nor tokenizer says a length: what T5 was trained on."""
_NO_LIMIT = 10**6
"""What tokenizers say when nothing was said to them is far above this."""


def read_config(folder: Path) -> Any:
    """The transformers configuration of a model folder. Raises `ModelNotAvailable` for one that transformers lacks."""
    import transformers
    from huggingface_hub.errors import StrictDataclassError

    try:
        return transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (ValueError, OSError, KeyError, TypeError, AttributeError, StrictDataclassError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(":")
        raise ModelNotAvailable(
            f"The configuration in '{folder}' cannot be used: {reason}",
            hint="Models that bring code of their own are not run; choose one that transformers knows.",
        ) from error


def family_of(folder: Path) -> Family:
    """The family of the model in `folder`. Raises as `read_config` does."""
    if (folder / "config.cfg").is_file():
        return "spacy"
    return family_of_config(read_config(folder), folder)


def family_of_config(config: Any, folder: Path) -> Family:
    """The family by what the configuration says the weights were saved from."""
    names = " ".join(config.architectures or ())
    if "ForSequenceClassification" in names:
        return "reranker" if config.num_labels == 1 else "classifier"
    if getattr(config, "is_encoder_decoder", False):
        return "seq2seq"
    if "ForCausalLM" in names or "LMHead" in names:
        return "causal"
    return "embedder" if (folder / "modules.json").is_file() else "encoder"


def usable_positions(model_type: str, positions: int, padding_id: int) -> int:
    """How many tokens a text may have in a model with so many positions."""
    return positions - first_position(model_type, padding_id)


def first_position(model_type: str, padding_id: int) -> int:
    """The position id of a text's first token."""
    return padding_id + 1 if model_type in _POSITIONS_AFTER_PADDING else 0


def longest_side(config: Any, tokenizer_limit: float) -> int:
    """Tokens that either side of an encoder-decoder can take: its positions, else what its files were told.

    Args:
        tokenizer_limit: the tokenizer's `model_max_length`, which is huge where nobody said it.
    """
    positions = getattr(config, "max_position_embeddings", None)
    if positions:
        return int(positions)
    told = (getattr(config, "n_positions", None) or 0, tokenizer_limit)
    return int(max((length for length in told if 0 < length < _NO_LIMIT), default=_UNTOLD_TOKENS))
