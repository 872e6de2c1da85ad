"""One model for many callers at once: requests join the running batch, and leave it when they are done.

Each caller gets the text it would have got alone. Waiting is bounded and fair: callers take turns, whatever the number
of their requests, and a full queue is an error at once. Who goes away frees the place.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from queue import SimpleQueue

from core.errors import InputError, InternalError, TriviumError
from core.inference.engine import by_prompt, closed_up, run_requests, take_step
from core.inference.generator import GREEDY, Completion, ContinuationScore, Sampling
from core.inference.local import LocalGenerator
from core.inference.request import Request
from core.inference.shared_prefix import SharedPrefixContinuation, SharedPrefixForward
from core.progress import ProgressCallback
from core.prompts.messages import Prompt

_JOIN_TOKENS = 1024
"""Prompts that join in one step have so many tokens at most, so that those who are being served wait little."""


class QueueFull(TriviumError):
    """Too many requests are waiting already."""


@dataclass(slots=True, eq=False)
class _Ticket:
    """A request on its way, and what its caller waits for: pieces, then None."""

    request: Request
    pieces: SimpleQueue[str | None] = field(default_factory=SimpleQueue)
    cancelled: bool = False
    failed: bool = False

    def read(self) -> Iterator[str]:
        """The pieces as they come. Raises `InternalError` if the engine broke off."""
        while (piece := self.pieces.get()) is not None:
            yield piece
        if self.failed:
            raise InternalError("The engine broke off while it wrote this text; its log says why.")


class ContinuousGenerator:
    """A `Generator` that several threads use at once. A caller is a thread.

    Args:
        rows: requests that are served at a time.
        waiting: requests that wait at most; more are refused.
    """

    def __init__(self, local: LocalGenerator, *, rows: int = 32, waiting: int = 256) -> None:
        if rows < 1 or waiting < 1:
            raise InputError(f"rows = {rows}, waiting = {waiting} cannot be used.", hint="Use at least 1.")
        self._local = local
        self._rows = rows
        self._room = waiting
        self._lock = threading.Lock()
        self._waiting: OrderedDict[Hashable, deque[_Ticket]] = OrderedDict()
        self._active: list[_Ticket] = []
        self._joining: list[_Ticket] = []  # neither waiting any more nor being served yet
        self._worker: threading.Thread | None = None

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._local.name

    @property
    def load(self) -> tuple[int, int]:
        """Requests that are being served, and that wait."""
        with self._lock:
            return len(self._active), sum(map(len, self._waiting.values()))

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling = GREEDY, progress: ProgressCallback | None = None
    ) -> list[Completion]:
        """`sampling.n` completions a prompt. Raises as a `LocalGenerator` does, and `QueueFull`."""
        if sampling.beams > 1:
            return self._local.generate(prompts, sampling, progress)
        tickets = self._submit(self._local.requests(prompts, sampling))
        try:
            for done, ticket in enumerate(tickets, start=1):
                for _ in ticket.read():
                    pass
                if progress:
                    progress(done, len(tickets))
        finally:
            self._give_up(tickets)
        return [ticket.request.completion() for ticket in tickets]

    def stream(self, prompt: Prompt, sampling: Sampling = GREEDY) -> Iterator[str]:
        """Pieces of the first completion's text; closing the iterator cancels it. Raises as `generate` does."""
        if sampling.beams > 1:
            yield from self._local.stream(prompt, sampling)
            return
        tickets = self._submit(self._local.requests([prompt], replace(sampling, n=1)))
        try:
            yield from (piece for piece in tickets[0].read() if piece)
        finally:
            self._give_up(tickets)

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[ContinuationScore]:
        """As a `LocalGenerator` does, beside the running batch."""
        return self._local.score(prompts, continuations)

    def _submit(self, requests: Sequence[Request]) -> list[_Ticket]:
        tickets = [_Ticket(request) for request in requests]
        with self._lock:
            waiting = sum(map(len, self._waiting.values()))
            if waiting + len(tickets) > self._room:
                raise QueueFull(
                    f"{waiting} requests are waiting; {len(tickets)} more would pass the limit of {self._room}.",
                    hint="Try again later, or with fewer requests at a time.",
                )
            self._waiting.setdefault(threading.get_ident(), deque()).extend(tickets)
            if self._worker is None and tickets:
                self._worker = threading.Thread(target=self._work, name="trivium-engine", daemon=True)
                self._worker.start()
        return tickets

    def _give_up(self, tickets: Sequence[_Ticket]) -> None:
        for ticket in tickets:
            ticket.cancelled = True  # those that are done do not mind

    def _work(self) -> None:
        """Serve until there is nothing to do. What goes wrong here fails every request, and is shown by the thread."""
        rows: SharedPrefixContinuation | None = None
        broken = True
        try:
            while self._has_work():
                rows = self._let_join(rows)
                if rows is not None:
                    rows = self._step(rows)
            broken = False
        finally:
            if broken:
                self._fail_all()

    def _fail_all(self) -> None:
        with self._lock:
            left = [*self._active, *self._joining, *(ticket for queue in self._waiting.values() for ticket in queue)]
            self._active, self._joining, self._worker = [], [], None
            self._waiting.clear()
        for ticket in left:
            ticket.failed = True
            ticket.pieces.put(None)

    def _has_work(self) -> bool:
        """False once nothing is left; then the next request starts a new thread."""
        with self._lock:
            if self._active or self._waiting:
                return True
            self._worker = None
            return False

    def _step(self, rows: SharedPrefixContinuation) -> SharedPrefixContinuation | None:
        tokens, pieces = take_step([ticket.request for ticket in self._active], rows.logits, self._local.end_ids)
        for ticket, piece in zip(self._active, pieces, strict=True):
            ticket.pieces.put(piece)
        live = [not ticket.cancelled and ticket.request.finish_reason is None for ticket in self._active]
        for ticket, goes_on in zip(self._active, live, strict=True):
            if not goes_on:
                ticket.pieces.put(None)
        keep = closed_up(live)
        with self._lock:
            self._active = [self._active[row] for row in keep]
        if not keep:
            return None
        rows.advance([tokens[row] for row in keep], keep)
        return rows

    def _let_join(self, rows: SharedPrefixContinuation | None) -> SharedPrefixContinuation | None:
        """The batch with those whose turn it is; what cannot go the fast way is written by itself, right away."""
        joining: dict[Request, _Ticket] = {}
        fast: SharedPrefixForward | None = None
        for ticket in self._whose_turn():
            forward = self._local.forward_for([ticket.request])
            if isinstance(forward, SharedPrefixForward):
                fast, joining[ticket.request] = forward, ticket
            else:
                for piece in run_requests(forward, [ticket.request], self._local.end_ids):
                    ticket.pieces.put(piece)
                    if ticket.cancelled:
                        break
                ticket.pieces.put(None)
        if fast is not None:
            requests, prompts, copies = by_prompt(list(joining))
            if rows is None:
                rows = fast.start(prompts, copies)
            else:
                rows.join(prompts, copies)
            with self._lock:
                self._active += [joining[request] for request in requests]
        self._joining = []
        return rows

    def _whose_turn(self) -> list[_Ticket]:
        """Tickets to serve next: one of each caller in turn, as far as rows and tokens go."""
        chosen: list[_Ticket] = []
        tokens = 0
        with self._lock:
            room = self._local.cache_tokens - sum(_most_tokens(ticket.request) for ticket in self._active)
            while self._waiting and len(self._active) + len(chosen) < self._rows:
                caller, queue = next(iter(self._waiting.items()))
                size = len(queue[0].request.prompt_ids)
                needed = _most_tokens(queue[0].request)
                if chosen and tokens + size > _JOIN_TOKENS:
                    break
                if (chosen or self._active) and needed > room:
                    break
                ticket = queue.popleft()
                del self._waiting[caller]
                if queue:
                    self._waiting[caller] = queue  # at the end of the line
                if ticket.cancelled:
                    ticket.pieces.put(None)
                    continue
                chosen.append(ticket)
                tokens += size
                room -= needed
            self._joining = chosen
        return chosen


def _most_tokens(request: Request) -> int:
    return len(request.prompt_ids) + request.limit
