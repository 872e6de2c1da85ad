"""Requests on their way to an engine that many callers share, and the line they wait in."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue

from core.errors import InternalError, TriviumError
from core.inference.request import Request


class QueueFull(TriviumError):
    """Too many requests are waiting already."""


@dataclass(slots=True, eq=False)
class Ticket:
    """A request on its way, and what its caller waits for: a piece a token, then None.

    Attributes:
        cancelled: its caller has gone away; the engine drops it at its next step.
        delivered: pieces that its caller has taken.
    """

    request: Request
    cancelled: bool = False
    delivered: int = 0
    _pieces: SimpleQueue[str | None] = field(default_factory=SimpleQueue)
    _failed: bool = False

    def put(self, piece: str) -> None:
        """Hand over what a token shows in addition, which may be nothing."""
        self._pieces.put(piece)

    def end(self, *, failed: bool = False) -> None:
        """Nothing more comes; the reader raises if it `failed`."""
        self._failed = failed
        self._pieces.put(None)

    def read(self) -> Iterator[str]:
        """The pieces as they come. Raises `InternalError` if the engine broke off."""
        while (piece := self._pieces.get()) is not None:
            self.delivered += 1
            yield piece
        if self._failed:
            raise InternalError("The engine broke off while it wrote this text; its log says why.")


class Line:
    """Who waits. Callers take turns, whatever the number of their requests; nobody comes in when it is full.

    Args:
        room: requests that wait at most.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._callers: OrderedDict[Hashable, deque[Ticket]] = OrderedDict()

    def __len__(self) -> int:
        return sum(not ticket.cancelled for queue in self._callers.values() for ticket in queue)

    def add(self, caller: Hashable, tickets: Sequence[Ticket]) -> None:
        """Raises `QueueFull` if not all of them have room; then none is added."""
        if len(self) + len(tickets) > self._room:
            raise QueueFull(
                f"{len(self)} requests are waiting; {len(tickets)} more would pass the limit of {self._room}.",
                hint="Try again later, or with fewer requests at a time.",
            )
        if tickets:
            self._callers.setdefault(caller, deque()).extend(tickets)

    @property
    def first(self) -> Ticket | None:
        """Whose turn it is; those that were cancelled have left."""
        while self._callers:
            caller, queue = next(iter(self._callers.items()))
            while queue and queue[0].cancelled:
                queue.popleft()
            if queue:
                return queue[0]
            del self._callers[caller]
        return None

    def take(self) -> Ticket:
        """The first leaves the line; its caller's others go to the end of it."""
        ticket = self.first
        assert ticket is not None
        caller, queue = self._callers.popitem(last=False)
        queue.popleft()
        if queue:
            self._callers[caller] = queue
        return ticket

    def clear(self) -> list[Ticket]:
        """Everybody leaves."""
        left = [ticket for queue in self._callers.values() for ticket in queue]
        self._callers.clear()
        return left
