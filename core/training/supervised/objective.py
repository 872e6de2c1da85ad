"""What is learned from a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

Batch = Mapping[str, "torch.Tensor"]


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """What an objective makes of some rows.

    Attributes:
        loss: the sum over targets, to be differentiated.
        targets: how many there are.
        sums: further sums over targets to write down as means, such as how many were hit.
    """

    loss: torch.Tensor
    targets: int
    sums: Mapping[str, float] = field(default_factory=dict)


class Objective(Protocol):
    """What is learned from a batch."""

    @property
    def name(self) -> str: ...

    def targets(self, batch: Batch) -> int:
        """How many targets the batch has, without running the model."""
        ...

    def tally(self, model: Any, batch: Batch) -> Tally:
        """Run the model over the batch."""
        ...
