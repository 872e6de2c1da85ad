"""Adapters: a LoRA adapter in peft's own files, and the card that says what made it.

A folder holds `adapter_config.json` and `adapter_model.safetensors` as peft writes and reads them, and `adapter.json`,
the card: the base model and its fingerprint, the training data's hash, configuration, seed, evaluation, and the sha256
of the other two. Nothing is read from a folder whose files are not those the card names. Named adapters:
`core.models.adapter_store`; at run time: `core.models.adapter_set`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from core.errors import InputError, ModelFileMismatch, UnknownName
from core.files import MEBIBYTE, read_bytes, write_atomic
from core.models.model_card import read_model_card
from core.models.named_folders import NAME
from core.models.staging import check_place, new_model_folder

CARD = "adapter.json"
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
"""What names of weights begin with in peft's files, where its own wrapper stands around the model."""
_MOST_BYTES = 4096 * MEBIBYTE


class Measurement(BaseModel):
    """One figure of an evaluation. `interval` is the 95 % interval, None where there is none; `n` cases."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    metric: str
    value: float
    interval: tuple[float, float] | None = None
    n: int = Field(ge=0)


class AdapterCard(BaseModel):
    """What an adapter is and what made it.

    Attributes:
        name: letters, digits, `-` and `_`.
        base, base_fingerprint: `LoadedModel.name` and `.fingerprint` of the model it was made for.
        data_sha256: of the training data.
        config: the training's configuration; peft's is in its own file.
        created: when, with its time zone.
        report: its evaluation on data held out.
        files: sha256 of each other file in the folder; `save_adapter` fills it in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=f"^{NAME.pattern}$")
    base: str
    base_fingerprint: str
    data_sha256: str
    config: dict[str, JsonValue] = Field(default_factory=dict)
    seed: int
    created: datetime = Field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    report: tuple[Measurement, ...] = ()
    files: dict[str, str] = Field(default_factory=dict)

    def measurement(self, metric: str) -> Measurement | None:
        """The figure of `metric`, None if it was not measured."""
        return next((found for found in self.report if found.metric == metric), None)


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter on disk whose files are those its card names. Made by `save_adapter` and `read_adapter`."""

    folder: Path
    card: AdapterCard

    @property
    def name(self) -> str:
        return self.card.name

    def read(self, file: str) -> bytes:
        """The content of `CONFIG` or `WEIGHTS`. Raises `ModelFileMismatch` if it is not what the card names."""
        path = self.folder / file
        data = read_bytes(path, max_bytes=_MOST_BYTES)
        found, expected = hashlib.sha256(data).hexdigest(), self.card.files.get(file)
        if found != expected:
            raise ModelFileMismatch(
                f"'{path}' has sha256 {found[:12]}…, the adapter's card says {str(expected)[:12]}…; it may be "
                "incomplete or changed.",
                hint="Make the adapter again, or take another copy of its folder.",
            )
        return data


def save_adapter(model: Any, folder: str | Path, card: AdapterCard, *, peft_name: str = "default") -> Adapter:
    """Write the adapter that peft calls `peft_name` in `model`; `AdapterSet.save` does it by our name.

    All or nothing: the folder takes the place of an older one in the end, and a killed process leaves that one.

    Args:
        model: a torch module with peft's layers, whether peft or `AdapterSet` put them there.
        card: as it shall be; `files` is filled in.

    Raises:
        InputError: a weight is not a finite number; or the folder holds something else than an adapter.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save

    folder = Path(folder)
    check_place(folder, CARD, "an adapter")
    found = get_peft_model_state_dict(model, adapter_name=peft_name, save_embedding_layers=False)
    weights = {
        f"{PREFIX}{key.removeprefix(PREFIX)}": tensor.detach().cpu().contiguous() for key, tensor in found.items()
    }
    odd = next((key for key, tensor in weights.items() if not tensor.isfinite().all()), None)
    if odd is not None:
        raise InputError(
            f"The adapter '{card.name}' is not saved: '{odd}' has numbers that are not finite.",
            hint="Training went astray; go back to the last good checkpoint and lower the learning rate.",
        )
    config = model.peft_config[peft_name].to_dict()
    config = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    config |= {"base_model_name_or_path": card.base, "inference_mode": True}
    content = {
        CONFIG: json.dumps(config, ensure_ascii=False, indent=1, sort_keys=True).encode(),
        WEIGHTS: save(weights, metadata={"format": "pt"}),
    }
    return write_adapter(folder, card, content)


def write_adapter(folder: Path, card: AdapterCard, content: dict[str, bytes]) -> Adapter:
    """Write an adapter's folder in one go; `content` is what stands in its files but the card."""
    card = card.model_copy(update={"files": {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}})
    _mend(folder)
    with new_model_folder(folder) as fresh:
        for name, data in content.items():
            (fresh / name).write_bytes(data)
        (fresh / CARD).write_text(card_json(card), encoding="utf-8")
    return Adapter(folder, card)


def card_json(card: AdapterCard) -> str:
    """The card as it stands in its file."""
    return json.dumps(card.model_dump(mode="json"), ensure_ascii=False, indent=1)


def read_adapter(source: str | Path) -> Adapter:
    """The adapter in a folder, or the named one; every file is compared with the card.

    Args:
        source: a folder, a name, or `name.previous` for what the name stood for before.

    Raises:
        UnknownName: no adapter of this name and no folder.
        ModelNotAvailable: the folder has no card, or one that cannot be read.
        ModelFileMismatch: a file is not the one the card names.
    """
    from core.models.adapter_store import adapter_names, named_folder

    folder = named_folder(source) if isinstance(source, str) else None
    if folder is None:
        folder = Path(source).expanduser()
        _mend(folder)
        if not folder.is_dir():
            raise UnknownName("adapter", str(source), adapter_names())
    adapter = Adapter(folder, read_card(folder))
    for file in (CONFIG, WEIGHTS):
        adapter.read(file)
    return adapter


def read_card(folder: Path) -> AdapterCard:
    """The card in `folder`. Raises `ModelNotAvailable`."""
    return read_model_card(folder / CARD, AdapterCard, "an adapter")


def with_report(adapter: Adapter, report: tuple[Measurement, ...]) -> Adapter:
    """The same adapter, in the same place, with the figures of its evaluation on the card."""
    card = adapter.card.model_copy(update={"report": report})
    write_atomic(adapter.folder / CARD, card_json(card))
    return Adapter(adapter.folder, card)


def is_adapter_name(text: str) -> bool:
    """Whether an adapter may be called so."""
    return bool(NAME.fullmatch(text))


def _mend(folder: Path) -> None:
    """A process killed between the two renames of `new_model_folder` has left the old folder beside its place."""
    old = folder.with_name(f".{folder.name}.old")
    if not folder.exists() and (old / CARD).is_file():
        old.rename(folder)
