"""A learned reward model in a folder: the trunk's adapter, and the head with what belongs to it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from core.errors import InputError, ModelFileMismatch
from core.files import MEBIBYTE, read_bytes, read_json_object, write_atomic
from core.models.adapter_set import AdapterSet
from core.models.adapters import AdapterCard
from core.training.reward.model import RewardModel
from core.training.scorer import Scorer

_HEAD = "head.safetensors"
_CARD = "reward.json"
_ADAPTER = "adapter"
_MOST_HEAD_BYTES = 64 * MEBIBYTE
"""A head is a number a dimension of the trunk."""


def save_reward_model(model: RewardModel, folder: Path, card: AdapterCard) -> None:
    """Write `model`; `card` is its adapter's. The card of the folder, which names the head's sum, comes last."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    if model.adapter is not None:
        model.adapters.save(model.adapter, folder / _ADAPTER, card)
    head = save({name: value.detach().cpu().contiguous() for name, value in model.head.state_dict().items()})
    write_atomic(folder / _HEAD, head)
    about = {"end_id": model.end_id, "adapter": model.adapter, "head_sha256": hashlib.sha256(head).hexdigest()}
    write_atomic(folder / _CARD, json.dumps(about))


def load_reward_model(folder: Path, adapters: AdapterSet, scorer: Scorer) -> RewardModel:
    """The reward model in `folder`, on the trunk that `adapters` and `scorer` run; nothing of it learns.

    Raises:
        ModelFileMismatch: a file is missing or not the one that was written, or it is of another trunk.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    hint = "Run the recipe again in a new folder."
    try:
        about = read_json_object(folder / _CARD)
        head = read_bytes(folder / _HEAD, max_bytes=_MOST_HEAD_BYTES)
    except InputError as error:
        raise ModelFileMismatch(f"'{folder}' is no reward model: {error.message}", hint=hint) from error
    name, end_id = about.get("adapter"), about.get("end_id")
    if not isinstance(end_id, int) or not (name is None or isinstance(name, str)) or "adapter" not in about:
        raise ModelFileMismatch(f"'{folder / _CARD}' is no card of a reward model.", hint=hint)
    if hashlib.sha256(head).hexdigest() != about.get("head_sha256"):
        raise ModelFileMismatch(f"'{folder / _HEAD}' was changed after it was written.", hint=hint)
    linear = torch.nn.Linear(adapters.loaded.model.config.get_text_config(decoder=True).hidden_size, 1)
    try:
        linear.load_state_dict(load(head))
    except (SafetensorError, RuntimeError) as error:
        raise ModelFileMismatch(f"'{folder / _HEAD}' is no head for this trunk.", hint=hint) from error
    if name is not None:
        adapters.attach(folder / _ADAPTER, name)
    linear.to(adapters.loaded.placement.device).requires_grad_(False)
    return RewardModel(adapters, name, scorer, linear, end_id)
