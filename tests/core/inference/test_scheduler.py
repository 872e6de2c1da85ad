"""What an engine that many callers share does step by step; nothing here depends on time."""

from __future__ import annotations

import pytest

from core.inference import RawText, Sampling
from core.inference.local import LocalGenerator
from core.inference.plain import PlainForward
from core.inference.scheduler import Scheduler
from core.inference.shared_prefix import SharedPrefixForward
from core.inference.tickets import Line, QueueFull, Ticket

RUNNING = Sampling(max_tokens=120, temperature=1.0, seed=1)
PIECE = 16
LONG = RawText("Tell me about fees and limits. " * 10)  # one token a byte: 310


class Engine:
    """A scheduler with a line, and how many tokens of prompts each of its steps has read."""

    def __init__(self, local: LocalGenerator, monkeypatch: pytest.MonkeyPatch, *, rows: int = 8) -> None:
        self.local = local
        self.line = Line(100)
        self.scheduler = Scheduler(local, rows=rows, piece_tokens=PIECE)
        self.read: list[int] = []
        inner = SharedPrefixForward.run

        def counted(forward, rows, tokens, *, keep):
            if not isinstance(keep, int) or tokens.shape[1] > 1:
                self.read[-1] += tokens.numel()
            return inner(forward, rows, tokens, keep=keep)

        monkeypatch.setattr(SharedPrefixForward, "run", counted)

    def ask(self, prompt: str, sampling: Sampling, caller: str = "someone") -> list[Ticket]:
        tickets = [Ticket(request) for request in self.local.requests([prompt], sampling)]
        self.line.add(caller, tickets)
        return tickets

    def step(self) -> None:
        self.read.append(0)
        self.scheduler.admit(self.line)
        self.scheduler.step()

    def run(self) -> None:
        while self.scheduler.tickets or self.line.first:
            self.step()


@pytest.fixture
def engine(generator: LocalGenerator, monkeypatch: pytest.MonkeyPatch) -> Engine:
    generator.generate(["a"])  # the check of first use
    return Engine(generator, monkeypatch)


def alone(engine: Engine, prompt: str, sampling: Sampling) -> list[tuple[int, ...]]:
    return [completion.token_ids for completion in engine.local.generate([prompt], sampling)]


def drawn(tickets: list[Ticket]) -> list[tuple[int, ...]]:
    return [tuple(ticket.request.token_ids) for ticket in tickets]


def test_a_running_text_gets_a_token_each_step_while_long_prompts_join(engine: Engine):
    (running,) = engine.ask(RawText("Hello"), RUNNING)
    engine.step()
    joining = [engine.ask(LONG, Sampling(max_tokens=20, n=3, temperature=1.0)), engine.ask(LONG, RUNNING, "another")]
    for step in range(2, 60):
        engine.step()
        assert len(running.request.token_ids) == step, "no step without a token"
        assert engine.read[-1] <= PIECE
    assert all(ticket.request.token_ids for tickets in joining for ticket in tickets), "the long ones have joined"
    engine.run()
    assert sum(engine.read) == 5 + 310, "a prompt of several texts and callers is read once"
    assert drawn([running]) == alone(engine, RawText("Hello"), RUNNING)
    assert drawn(joining[0]) == alone(engine, LONG, Sampling(max_tokens=20, n=3, temperature=1.0))
    assert drawn(joining[1]) == alone(engine, LONG, RUNNING)


def test_a_short_prompt_does_not_wait_for_long_ones_nor_they_for_short_ones(engine: Engine):
    long = [engine.ask(LONG, Sampling(max_tokens=2), caller)[0] for caller in "abc"]
    for _ in range(3):
        engine.step()
    (short,) = engine.ask(RawText("x"), Sampling(max_tokens=2), "d")
    for _ in range(2):
        engine.step()
    assert short.request.token_ids, "its turn came within two steps"
    for number in range(60):  # a short one every step
        engine.ask(RawText("y"), Sampling(max_tokens=1, seed=number), "d")
        engine.step()
    assert long[0].request.finish_reason, "every other piece is a long one's"
    engine.run()
    assert drawn(long) == alone(engine, LONG, Sampling(max_tokens=2)) * 3


def test_who_goes_away_while_the_prompt_is_read_frees_the_place_at_once(engine: Engine):
    (leaving,) = engine.ask(LONG, RUNNING)
    for _ in range(3):
        engine.step()
    assert engine.scheduler.tickets == [leaving]
    assert engine.read == [PIECE] * 3
    leaving.cancelled = True
    engine.step()
    assert engine.scheduler.tickets == []
    assert engine.read[-1] == 0
    assert list(leaving.read()) == []


def test_one_of_several_texts_of_a_prompt_may_go_away_while_it_is_read(engine: Engine):
    sampling = Sampling(max_tokens=5, n=3, temperature=1.0)
    tickets = engine.ask(LONG, sampling)
    engine.step()
    tickets[1].cancelled = True
    engine.run()
    expected = alone(engine, LONG, sampling)
    assert drawn([tickets[0], tickets[2]]) == [expected[0], expected[2]]


def test_rows_are_never_more_than_allowed(generator: LocalGenerator, monkeypatch: pytest.MonkeyPatch):
    engine = Engine(generator, monkeypatch, rows=3)
    for number in range(10):
        engine.ask(RawText("Hello " * (1 + number)), Sampling(max_tokens=3 + number), f"caller {number % 4}")
    while engine.scheduler.tickets or engine.line.first:
        engine.step()
        assert len(engine.scheduler.tickets) <= 3
    assert len(engine.line) == 0


def test_texts_that_go_the_plain_way_keep_nobody_waiting(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    plain = engine.local._forwards._plain
    fast = engine.local.forward_for
    monkeypatch.setattr(
        engine.local, "forward_for", lambda requests: plain if requests[0].limit == 50 else fast(requests)
    )
    sampling = Sampling(max_tokens=50, temperature=1.0, seed=5)
    (running,) = engine.ask(RawText("Hello"), RUNNING)
    engine.step()
    others = [engine.ask(RawText(prompt), sampling)[0] for prompt in ("退款", "Why?")]
    assert isinstance(engine.local.forward_for([others[0].request]), PlainForward)
    for step in range(2, 60):
        engine.step()
        assert len(running.request.token_ids) == step
    assert drawn(others) == [alone(engine, RawText(prompt), sampling)[0] for prompt in ("退款", "Why?")]


def test_callers_take_turns_in_the_line():
    line = Line(6)
    tickets = {name: [Ticket(request=None) for _ in range(count)] for name, count in (("a", 3), ("b", 1), ("c", 2))}
    for name, own in tickets.items():
        line.add(name, own)
    with pytest.raises(QueueFull, match=r"6 requests are waiting; 1 more .* limit of 6"):
        line.add("d", [Ticket(request=None)])
    tickets["b"][0].cancelled = tickets["a"][1].cancelled = True
    assert len(line) == 4
    order = [tickets["a"][0], tickets["c"][0], tickets["a"][2], tickets["c"][1]]
    assert [line.take() for _ in range(4)] == order
    assert line.first is None
