"""Groups of responses go through a model in pieces that fit; each process takes those of its share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.training.streams import Group
from core.training.team import Team, gathered, share

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Pieces:
    """How groups are divided.

    Attributes:
        tokens: at most about so many go through the model at a time; a group is never divided.
        team: the processes that share the work.
        device: where tables are put together.
    """

    tokens: int
    team: Team
    device: str

    def of(self, numbers: Sequence[int], groups: Sequence[Group]) -> Iterator[list[int]]:
        """This process's share of `numbers`, which are places in `groups`, piece by piece."""
        piece: list[int] = []
        tokens = 0
        for number in share(numbers, self.team):
            size = len(groups[number].prompt) + sum(map(len, groups[number].responses))
            if piece and tokens + size > self.tokens:
                yield piece
                piece, tokens = [], 0
            piece.append(number)
            tokens += size
        if piece:
            yield piece

    def table(self, groups: Sequence[Group], run: Callable[[Sequence[Group]], torch.Tensor]) -> torch.Tensor:
        """``(B, T, …)``: what `run` gives for the responses of each piece, without gradient, over all processes."""
        import torch

        width = max(len(response) for group in groups for response in group.responses)

        def mine() -> list[tuple[int, torch.Tensor]]:
            found: list[tuple[int, torch.Tensor]] = []
            for piece in self.of(range(len(groups)), groups):
                table = run([groups[number] for number in piece])
                each = table.split([len(groups[number].responses) for number in piece])
                found += [(number, _widened(part, width)) for number, part in zip(piece, each, strict=True)]
            return found if self.team.size == 1 else [(number, part.cpu()) for number, part in found]

        with torch.no_grad():
            parts = sorted(gathered(self.team, mine), key=lambda pair: pair[0])
        return torch.cat([part.to(self.device) for _, part in parts])


def _widened(table: torch.Tensor, width: int) -> torch.Tensor:
    """``(B, T, …)`` with zeros up to T = `width`."""
    wide = table.new_zeros(len(table), width, *table.shape[2:])
    wide[:, : table.shape[1]] = table
    return wide
