"""The processes that train together. Each draws and learns from its share; all see all rewards and sum their gradients,
so that several processes do what one would have done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


class Team(Protocol):
    """`size` processes; this one is number `rank`, and number 0 is the one that writes."""

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    def gather(self, mine: Sequence[T]) -> list[T]:
        """What all processes have, in the order of their ranks; the same for each of them."""
        ...

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum of this tensor over all processes."""
        ...


class Alone:
    """A single process."""

    rank = 0
    size = 1

    def gather(self, mine: Sequence[T]) -> list[T]:
        return list(mine)

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor


class Accelerated:
    """The processes of an `accelerate launch`."""

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator
        self.rank = int(accelerator.process_index)
        self.size = int(accelerator.num_processes)

    def gather(self, mine: Sequence[T]) -> list[T]:
        from accelerate.utils import gather_object

        found: list[T] = gather_object(list(mine))
        return found

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        summed: torch.Tensor = self._accelerator.reduce(tensor, reduction="sum")
        return summed


def current_team() -> Team:
    """The team this process was launched in; `Alone` outside of `accelerate launch`."""
    import os

    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Alone()
    from accelerate import Accelerator

    return Accelerated(Accelerator())


def share(items: Sequence[T], team: Team) -> list[T]:
    """Every `team.size`-th item, from `team.rank` on."""
    return list(items[team.rank :: team.size])
