from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import ModelFileMismatch
from core.models.adapter_set import AdapterSet
from core.models.adapters import AdapterCard
from core.models.loading import LoadedModel
from core.training.reward.model import new_reward_model
from core.training.reward.saved import load_reward_model, save_reward_model
from core.training.scorer import PackedScorer


@pytest.fixture
def saved(tiny: Callable[..., LoadedModel], tmp_path: Path) -> tuple[Path, AdapterSet]:
    adapters = AdapterSet(tiny())
    model = new_reward_model(adapters, PackedScorer(adapters.loaded), end_id=1, seed=0, adapter=None)
    folder = tmp_path / "reward"
    card = AdapterCard(name="r", base="tiny", base_fingerprint="0", data_sha256="0", seed=0)
    save_reward_model(model, folder, card)
    return folder, adapters


def test_a_saved_reward_model_is_loaded(saved: tuple[Path, AdapterSet]) -> None:
    folder, adapters = saved
    loaded = load_reward_model(folder, adapters, PackedScorer(adapters.loaded))
    assert (loaded.end_id, loaded.adapter) == (1, None)
    assert not any(weights.requires_grad for weights in loaded.head.parameters())


@pytest.mark.parametrize(
    "card",
    [
        "[1]",
        "{",
        "[" * 100_000,
        '{"end_id": NaN}',
        "{}",
        '{"end_id": "1", "adapter": null}',
        '{"end_id": 1, "adapter": 5}',
    ],
)
def test_a_card_that_is_none_is_refused(saved: tuple[Path, AdapterSet], card: str) -> None:
    folder, adapters = saved
    (folder / "reward.json").write_text(card, encoding="utf-8")
    with pytest.raises(ModelFileMismatch, match=r"no reward model|no card"):
        load_reward_model(folder, adapters, PackedScorer(adapters.loaded))


def test_a_head_that_is_none_is_refused(saved: tuple[Path, AdapterSet]) -> None:
    from safetensors.torch import save
    from torch import zeros

    folder, adapters = saved
    card = json.loads((folder / "reward.json").read_text("utf-8"))
    for head in (b"no tensors", save({"weight": zeros(1, 3), "bias": zeros(1)}), save({"other": zeros(1)})):
        (folder / "head.safetensors").write_bytes(head)
        with pytest.raises(ModelFileMismatch, match="was changed"):
            load_reward_model(folder, adapters, PackedScorer(adapters.loaded))
        about = card | {"head_sha256": hashlib.sha256(head).hexdigest()}
        (folder / "reward.json").write_text(json.dumps(about), encoding="utf-8")
        with pytest.raises(ModelFileMismatch, match="no head for this trunk"):
            load_reward_model(folder, adapters, PackedScorer(adapters.loaded))
    for file in ("head.safetensors", "reward.json"):
        with (folder / file).open("wb") as stream:
            stream.truncate(2**30)
        with pytest.raises(ModelFileMismatch, match="the limit is"):
            load_reward_model(folder, adapters, PackedScorer(adapters.loaded))
