"""A learned reward model in a folder: the trunk's adapter, and the head with what belongs to it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from core.errors import ModelFileMismatch
from core.files import write_atomic
from core.models.adapter_set import AdapterSet
from core.models.adapters import AdapterCard
from core.training.reward.model import RewardModel
from core.training.scorer import Scorer

_HEAD = "head.safetensors"
_CARD = "reward.json"
_ADAPTER = "adapter"


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
    from safetensors.torch import load

    hint = "Run the recipe again in a new folder."
    try:
        about = json.loads((folder / _CARD).read_text(encoding="utf-8"))
        head = (folder / _HEAD).read_bytes()
    except (OSError, ValueError) as error:
        raise ModelFileMismatch(f"'{folder}' is no reward model: {error}.", hint=hint) from error
    if hashlib.sha256(head).hexdigest() != about["head_sha256"]:
        raise ModelFileMismatch(f"'{folder / _HEAD}' was changed after it was written.", hint=hint)
    weights = load(head)
    if about["adapter"] is not None:
        adapters.attach(folder / _ADAPTER, about["adapter"])
    linear = torch.nn.Linear(weights["weight"].shape[1], 1).to(adapters.loaded.placement.device)
    linear.load_state_dict(weights)
    linear.requires_grad_(False)
    return RewardModel(adapters, about["adapter"], scorer, linear, int(about["end_id"]))
