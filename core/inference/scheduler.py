"""What an engine that many callers share does in a step: one piece of a prompt is read, then each row writes a token.

So whoever is being served waits for `piece_tokens` tokens of others' prompts between two of its own at most, however
long these prompts are (chunked prefill: Agrawal et al. 2023, section 4.1). Prompts that fit into one step and pieces of
longer ones take turns; the longer ones are read one after the other. Nothing here knows of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.inference.engine import by_prompt, closed_up, take_step
from core.inference.forward import Continuation, Forward
from core.inference.local import LocalGenerator
from core.inference.reading import PromptReading
from core.inference.request import Request
from core.inference.shared_prefix import SharedPrefixContinuation, SharedPrefixForward
from core.inference.static_forward import StaticContinuation
from core.inference.tickets import Line, Ticket


@dataclass(slots=True, eq=False)
class _Served:
    """Rows that run together, and whose they are."""

    rows: Continuation
    tickets: list[Ticket]


@dataclass(slots=True, eq=False)
class _Read:
    """Prompts that are being read, and whose they are; `reading` is None where the model's own way reads them."""

    forward: Forward
    tickets: list[Ticket]
    copies: list[int]
    reading: PromptReading | None

    @property
    def tokens_left(self) -> int:
        return self.reading.tokens_left if self.reading else len(self.tickets[0].request.context_ids)


class Scheduler:
    """The requests that are being read and written.

    Args:
        rows: requests at a time.
        piece_tokens: tokens of prompts that are read in a step at most. Only a prompt that goes the plain way
            (`core.inference.plain`) is read in one piece.
    """

    def __init__(self, local: LocalGenerator, *, rows: int, piece_tokens: int) -> None:
        self._local = local
        self._rows = rows
        self._piece_tokens = piece_tokens
        self._arriving: list[Ticket] = []
        self._reads: list[_Read] = []
        self._together: _Served | None = None
        self._alone: list[_Served] = []
        self._short_turn = True

    @property
    def tickets(self) -> list[Ticket]:
        """Everyone that is being served, read, or about to be."""
        together = self._together
        return [
            *(together.tickets if together else ()),
            *(ticket for one in self._alone for ticket in one.tickets),
            *(ticket for read in self._reads for ticket in read.tickets),
            *self._arriving,
        ]

    def admit(self, line: Line) -> None:
        """Let those in whose turn it is, as far as rows, memory and the tokens of a step go."""
        held = self.tickets
        tokens = 0
        prompts: list[list[int]] = []  # each is read once, whatever the number of its texts
        while (first := line.first) is not None and len(held) < self._rows:
            prompt = first.request.context_ids
            size = 0 if prompt in prompts else len(prompt)
            if self._arriving and size and tokens + size > self._piece_tokens:
                return
            if held and _padded_tokens([*(one.request for one in held), first.request]) > self._local.cache_tokens:
                return
            self._arriving.append(line.take())
            held.append(first)
            prompts.append(prompt)
            tokens += size

    def step(self) -> None:
        """Read one piece of a prompt, if any waits for it, and write one token of every text."""
        self._begin_reading()
        self._read_piece()
        if self._together and not self._write(self._together):
            self._together = None
        self._alone = [one for one in self._alone if self._write(one)]

    def _begin_reading(self) -> None:
        together: dict[Request, Ticket] = {}
        fast: SharedPrefixForward | None = None
        for ticket in self._arriving:
            forward = self._local.forward_for([ticket.request])
            if isinstance(forward, SharedPrefixForward):
                fast = forward
                together[ticket.request] = ticket
            else:
                self._reads.append(_Read(forward, [ticket], [1], None))
        if fast is not None:
            requests, prompts, copies = by_prompt(list(together))
            reading = PromptReading(fast, prompts)
            self._reads.append(_Read(fast, [together[request] for request in requests], copies, reading))
        self._arriving = []

    def _read_piece(self) -> None:
        for read in self._reads:
            if all(ticket.cancelled for ticket in read.tickets):
                self._reads = [other for other in self._reads if other is not read]
                for ticket in read.tickets:
                    ticket.end()
        if not self._reads:
            return
        short = [read for read in self._reads if read.tokens_left <= self._piece_tokens]
        long = [read for read in self._reads if read.tokens_left > self._piece_tokens]
        read = (short or long)[0] if self._short_turn else (long or short)[0]
        self._short_turn = not self._short_turn
        if read.reading is None:
            rows = read.forward.start([ticket.request.context_ids for ticket in read.tickets], read.copies)
            self._alone.append(_Served(rows, read.tickets))
        elif not read.reading.read(self._piece_tokens):
            return
        else:
            self._join(read.reading, read.copies, read.tickets)
        self._reads.remove(read)

    def _join(self, reading: PromptReading, copies: Sequence[int], tickets: list[Ticket]) -> None:
        group = [prompt for prompt, count in enumerate(copies) for _ in range(count)]
        if self._together is None:
            self._together = _Served(reading.continuation(group), tickets)
            return
        rows = self._together.rows
        assert isinstance(rows, SharedPrefixContinuation | StaticContinuation)
        rows.join(*reading.result(), group)
        self._together.tickets += tickets

    def _write(self, served: _Served) -> bool:
        """One token of each text; false once all are done."""
        requests = [ticket.request for ticket in served.tickets]
        tokens, pieces = take_step(requests, served.rows.logits, self._local.end_ids)
        for ticket, piece in zip(served.tickets, pieces, strict=True):
            ticket.put(piece)
        live = [not ticket.cancelled and ticket.request.finish_reason is None for ticket in served.tickets]
        for ticket, goes_on in zip(served.tickets, live, strict=True):
            if not goes_on:
                ticket.end()
        keep = closed_up(live)
        served.tickets = [served.tickets[row] for row in keep]
        if keep:
            served.rows.advance([tokens[row] for row in keep], keep)
        return bool(keep)


def _padded_tokens(requests: Sequence[Request]) -> int:
    """Places for keys and values that these take when they run together: all prompts and texts as long as the longest.

    Requests on their way have prompts of one buffer, and rows of another.
    """
    return len(requests) * (
        max(len(request.prompt_ids) for request in requests) + max(request.limit for request in requests)
    )
