"""What a model is and whether this machine can run it, as facts to print."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

from core.errors import ModelFileMismatch, ModelNotAvailable
from core.models.catalogue import CatalogueEntry, catalogue_entries
from core.models.hardware import BYTES_PER_NUMBER, choose_placement, memory_bytes
from core.models.locate import locate

_WORKING_SHARE = 1.25
"""Activations, key-value cache and the loading itself, as a share of the weights: a rule of thumb, said as such."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts of one model. `folder` is None where it is not on this machine, `parameters` 0 where unknown."""

    name: str
    kind: str
    architecture: str
    parameters: int
    folder: Path | None
    disk_bytes: int
    problem: str
    entry: CatalogueEntry | None

    @property
    def memory_bytes(self) -> dict[str, int]:
        """Bytes of the weights in each number format."""
        return {dtype: self.parameters * size for dtype, size in BYTES_PER_NUMBER.items()}


def describe(name: str) -> ModelFacts:
    """Facts of a catalogue model, here or not, or of a hub model or folder that is here. Raises as `locate` does."""
    entry = catalogue_entries().get(name)
    try:
        folder: Path | None = locate(name).folder
        problem = ""
    except (ModelNotAvailable, ModelFileMismatch) as error:
        if entry is None:
            raise
        folder, problem = None, error.message
    parameters = entry.parameters if entry else 0
    disk = 0
    if folder:
        parameters = count_parameters(folder) or parameters
        disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    kind = entry.kind if entry else "not in the catalogue"
    return ModelFacts(name, kind, _architecture(folder), parameters, folder, disk, problem, entry)


def verdict(facts: ModelFacts) -> str:
    """Whether this machine can run the model, in one sentence."""
    if not facts.parameters:
        return "runs on any machine"
    placement = choose_placement()
    if placement.device == "cuda":
        import torch

        free, where = torch.cuda.get_device_properties(0).total_memory, "GPU memory"
    else:
        free, where = memory_bytes(), "memory"
    needed = int(facts.memory_bytes[placement.dtype] * _WORKING_SHARE)
    answer = "yes" if needed < free else "no"
    return (
        f"{answer}: about {needed / 1e9:.1f} GB in {placement.dtype} on {placement.device}, "
        f"of {free / 1e9:.1f} GB {where} ({placement.reason})"
    )


def count_parameters(folder: Path) -> int:
    """Weights in the safetensors files of `folder`, from their headers; shared ones are stored, and counted, once."""
    total = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(length))
        for name, tensor in header.items():
            if name != "__metadata__" and tensor["dtype"].startswith(("F", "BF")):  # others are tables, not weights
                count = 1
                for size in tensor["shape"]:
                    count *= size
                total += count
    return total


def _architecture(folder: Path | None) -> str:
    if folder is None:
        return "known once it is here"
    if (folder / "config.cfg").is_file():
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        return f"spaCy pipeline: {', '.join(meta['pipeline'])}"
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    layers, hidden = config.get("num_hidden_layers", "?"), config.get("hidden_size", "?")
    return f"{', '.join(config.get('architectures') or ['?'])}: {layers} layers, width {hidden}"
