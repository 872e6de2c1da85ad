"""What the anchor drew, step by step, and its weights after each, so that another learner can go through the same.

Runs under the anchors' Pythons too. A recording is a folder: `drawn.jsonl`, a step a line; `weights-N.safetensors`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

Ids = Sequence[Sequence[int]]


class Recorder:
    """Writes a recording."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder, self._steps = folder, 0

    def drawn(self, prompts: Ids, responses: Ids) -> None:
        """The rows of a step: a prompt's token ids and those of a response to it."""
        with (self._folder / "drawn.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"prompts": prompts, "responses": responses}) + "\n")

    def learned(self, weights: Mapping[str, torch.Tensor]) -> None:
        """The policy's weights after the step."""
        whole = {name: tensor.detach().float().cpu().contiguous() for name, tensor in weights.items()}
        save_file(whole, _weights(self._folder, self._steps))
        self._steps += 1


class Recording:
    """Reads it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        lines = (folder / "drawn.jsonl").read_text(encoding="utf-8").splitlines()
        self._drawn = [json.loads(line) for line in lines]

    def drawn(self, step: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Prompt and response of each row of a step."""
        rows = self._drawn[step]
        return [(tuple(p), tuple(r)) for p, r in zip(rows["prompts"], rows["responses"], strict=True)]

    def learned(self, step: int) -> dict[str, torch.Tensor]:
        """The policy's weights after a step."""
        return load_file(_weights(self._folder, step))


def _weights(folder: Path, step: int) -> Path:
    return folder / f"weights-{step}.safetensors"
