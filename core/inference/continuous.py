"""One model for many callers at once: requests join the running batch, and leave it when they are done.

Each caller gets the text it would have got alone. Waiting is bounded and fair: callers take turns, whatever the number
of their requests, and a full queue is an error at once. Who goes away frees the place, also in the line and while the
prompt is being read. A long prompt does not keep others waiting (`core.inference.scheduler`).
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

from core.errors import InputError
from core.inference.generator import GREEDY, Completion, ContinuationScore, FinishReason, Sampling
from core.inference.local import LocalGenerator
from core.inference.request import Request, go_on_after
from core.inference.scheduler import Scheduler
from core.inference.seq2seq import Seq2SeqGenerator
from core.inference.tickets import Line, QueueFull, Ticket
from core.progress import ProgressCallback
from core.prompts.messages import Prompt

__all__ = ["ContinuousGenerator", "QueueFull", "RunningStream"]

PIECE_TOKENS = 256
"""Smallest power of 2 that costs no more than reading a prompt at once (SmolLM2-135M, a CPU thread; 128: 15 % more)."""


class RunningStream(Iterator[str]):
    """A text as it comes. Closing it, or dropping it, cancels the request."""

    def __init__(self, generator: ContinuousGenerator, request: Request) -> None:
        self._begun = len(request.token_ids)
        self._request = request
        self._tickets: list[Ticket] = []
        self._pieces = self._shown()
        if request.finish_reason is None:
            self._tickets = generator.submit([request])

    @property
    def token_ids(self) -> tuple[int, ...]:
        """Tokens of what has come so far, held-back text included: what `ContinuousGenerator.resume` goes on after."""
        delivered = self._tickets[0].delivered if self._tickets else 0
        return tuple(self._request.token_ids[: self._begun + delivered])

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the text ended; None before it did."""
        return self._request.finish_reason if len(self.token_ids) == len(self._request.token_ids) else None

    def __next__(self) -> str:
        """The next piece that is not empty. Raises `InternalError` if the engine broke off."""
        return next(self._pieces)

    def close(self) -> None:
        """Go away; what has not come is lost."""
        self._pieces.close()
        cancel(self._tickets)

    def __del__(self) -> None:
        self.close()

    def _shown(self) -> Generator[str]:
        for ticket in self._tickets:
            yield from (piece for piece in ticket.read() if piece)


class ContinuousGenerator:
    """A `Generator` that several threads use at once. A caller is a thread.

    Args:
        rows: requests that are served at a time.
        waiting: requests that wait at most; more are refused.
        piece_tokens: tokens of prompts that are read between two tokens of a running text at most.
    """

    def __init__(
        self, local: LocalGenerator, *, rows: int = 32, waiting: int = 256, piece_tokens: int = PIECE_TOKENS
    ) -> None:
        if min(rows, waiting, piece_tokens) < 1:
            raise InputError(
                f"rows = {rows}, waiting = {waiting}, piece_tokens = {piece_tokens} cannot be used.",
                hint="Use at least 1.",
            )
        self._local = local
        self._lock = threading.Lock()
        self._line = Line(waiting)
        self._new_scheduler = lambda: Scheduler(local, rows=rows, piece_tokens=piece_tokens)
        self._scheduler = self._new_scheduler()
        self._worker: threading.Thread | None = None

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._local.name

    @property
    def load(self) -> tuple[int, int]:
        """Requests that are being served, and that wait."""
        with self._lock:
            return len(self._scheduler.tickets), len(self._line)

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling = GREEDY, progress: ProgressCallback | None = None
    ) -> list[Completion]:
        """`sampling.n` completions a prompt. Raises as a `LocalGenerator` does, and `QueueFull`."""
        if sampling.beams > 1:
            return self._local.generate(prompts, sampling, progress)
        tickets = self.submit(self._local.requests(prompts, sampling))
        try:
            for done, ticket in enumerate(tickets, start=1):
                for _ in ticket.read():
                    pass
                if progress:
                    progress(done, len(tickets))
        finally:
            cancel(tickets)
        return [ticket.request.completion() for ticket in tickets]

    def stream(self, prompt: Prompt, sampling: Sampling = GREEDY) -> Iterator[str]:
        """Pieces of the first completion's text; a `RunningStream` but for beams. Raises as `generate` does."""
        if sampling.beams > 1:
            return self._local.stream(prompt, sampling)
        return RunningStream(self, *self._local.requests([prompt], replace(sampling, n=1)))

    def resume(self, prompt: Prompt, sampling: Sampling, token_ids: Sequence[int]) -> RunningStream:
        """What a stream of this prompt and sampling has not said yet after `token_ids`, as if it had never broken off.

        The tokens are not drawn again, but read like the prompt, and the random numbers go on where they were.

        Raises:
            InputError: as `generate` does; for tokens that such a stream cannot have begun with.
        """
        if sampling.beams > 1 or isinstance(self._local, Seq2SeqGenerator):
            raise InputError(
                "Streams of beam search and of encoder-decoder models cannot be gone on with.", hint="Ask anew."
            )
        (request,) = self._local.requests([prompt], replace(sampling, n=1))
        go_on_after(request, token_ids, self._local.end_ids, self._local.vocabulary)
        return RunningStream(self, request)

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[ContinuationScore]:
        """As a `LocalGenerator` does, beside the running batch."""
        return self._local.score(prompts, continuations)

    def submit(self, requests: Sequence[Request]) -> list[Ticket]:
        """Put requests into the line of this thread. Raises `QueueFull`."""
        tickets = [Ticket(request) for request in requests]
        with self._lock:
            self._line.add(threading.get_ident(), tickets)
            if self._worker is None and tickets:
                worker = threading.Thread(target=self._work, name="trivium-engine", daemon=True)
                try:
                    worker.start()
                except RuntimeError:  # no more threads: nobody would ever serve them
                    cancel(tickets)
                    raise
                self._worker = worker
        return tickets

    def _work(self) -> None:
        """Serve until there is nothing to do. What goes wrong here fails every request, and is shown by the thread."""
        broken = True
        try:
            while self._has_work():
                self._scheduler.step()
            broken = False
        finally:
            if broken:
                self._fail_all()

    def _has_work(self) -> bool:
        """False once nothing is left; then the next request starts a new thread."""
        with self._lock:
            self._scheduler.admit(self._line)
            if self._scheduler.tickets:
                return True
            self._worker = None
            return False

    def _fail_all(self) -> None:
        with self._lock:
            left = [*self._scheduler.tickets, *self._line.clear()]
            self._scheduler, self._worker = self._new_scheduler(), None
        for ticket in left:
            ticket.end(failed=True)


def cancel(tickets: Sequence[Ticket]) -> None:
    """Nobody waits for these any more; those that are done do not mind. Takes no lock: garbage collection calls it."""
    for ticket in tickets:
        ticket.cancelled = True
