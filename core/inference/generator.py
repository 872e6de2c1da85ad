"""What text generation looks like from outside: `Generator`, `Sampling`, `Completion`.

A local model and a remote endpoint answer the same protocol, so a product never knows which one it talks to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from core.errors import InputError
from core.inference.constraint import Constraint
from core.progress import ProgressCallback
from core.prompts.messages import Prompt

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to draw the text.

    Attributes:
        max_tokens: at most so many new tokens.
        temperature: 0 takes the likeliest token each time; 1 draws from the model's distribution.
        top_k: draw among the k likeliest tokens; 0 for all.
        top_p: draw among the likeliest tokens that together have this probability.
        min_p: draw among the tokens at least this many times as likely as the likeliest; 0 for all.
        repetition_penalty: above 1 makes tokens less likely that the prompt or the text has already; 1 changes nothing.
        n: so many completions of each prompt; they differ as their random numbers do.
        beams: above 1, beam search keeps so many beginnings, and the `n` best texts are returned. Temperature 0 only.
        length_penalty: of beam search; above 0 favours longer texts, 0 does not look at length.
        beam_groups: above 1, diverse beam search: the beams are divided into so many groups of equal size.
        diversity: what a token costs a group, in log-probability, for each beam of an earlier group that has it at the
            same place; above 0 with `beam_groups` above 1, else 0.
        constraint: the form of the text (`core.inference.constraint`); it has it unless it is cut at `max_tokens`.
        stop: the text ends before the first of these strings.
        seed: with the prompt it fixes what is drawn, whatever else is in the batch (but see `LocalGenerator`).
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    stop: Sequence[str] = ()
    seed: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    n: int = 1
    beams: int = 1
    length_penalty: float = 1.0
    constraint: Constraint | None = None
    beam_groups: int = 1
    diversity: float = 0.0

    def __post_init__(self) -> None:
        """Raises `InputError` for a value out of its range."""
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)
        object.__setattr__(self, "stop", stop)
        for name, valid, rule in (
            ("max_tokens", self.max_tokens >= 1, "at least 1"),
            ("temperature", 0 <= self.temperature <= 10, "from 0 to 10"),
            ("top_k", self.top_k >= 0, "0 (all) or more"),
            ("top_p", 0 < self.top_p <= 1, "above 0, at most 1"),
            ("min_p", 0 <= self.min_p <= 1, "from 0 to 1"),
            ("repetition_penalty", 0 < self.repetition_penalty <= 10, "above 0, at most 10"),
            ("n", self.n >= 1, "at least 1"),
            ("beams", self.beams >= 1, "at least 1"),
            ("length_penalty", -10 <= self.length_penalty <= 10, "from -10 to 10"),
            ("beam_groups", self.beam_groups >= 1 and self.beams % self.beam_groups == 0, "a divisor of `beams`"),
            (
                "diversity",
                0 < self.diversity <= 100 if self.beam_groups > 1 else self.diversity == 0,
                "above 0, at most 100, where there is more than one group of beams; else 0",
            ),
            ("stop", all(self.stop), "strings that are not empty"),
            ("seed", 0 <= self.seed < 2**63, "from 0 to 2^63 - 1"),
        ):
            if not valid:
                raise InputError(f"Sampling: {name} = {getattr(self, name)!r} cannot be used.", hint=f"Use {rule}.")
        plain = self.temperature == 0 and self.repetition_penalty == 1 and self.constraint is None
        if self.beams > 1 and not (plain and self.n <= self.beams):
            raise InputError(
                f"Sampling: beams = {self.beams} cannot be used with these values.",
                hint="Beam search takes temperature 0, no repetition penalty or constraint, and n up to `beams`.",
            )


GREEDY = Sampling()
"""The likeliest token each time, the default length."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A text that was generated.

    Attributes:
        text: without the stop string or end mark.
        finish_reason: "stop" (an end token or a stop string), or "length" (cut at `max_tokens`).
        token_ids: every token drawn, those of the stop string and the end token included; empty from an endpoint.
        logprobs: of each token drawn, natural logarithm, under the model itself (temperature 1, nothing cut off).
        prompt_tokens: length of the prompt as the model saw it.
        completion_tokens: number of tokens drawn.
    """

    text: str
    finish_reason: FinishReason
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ContinuationScore:
    """How likely a given continuation is: log-probability of each of its tokens, natural logarithm.

    `offsets` says at which character of the continuation each token begins; tokens of one character share one.
    """

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    offsets: tuple[int, ...] = ()

    @property
    def total(self) -> float:
        """Log-probability of the whole continuation."""
        return sum(self.logprobs)

    @property
    def mean(self) -> float:
        """Per token; comparable between continuations of different length."""
        return self.total / len(self.logprobs)


class Generator(Protocol):
    """Something that writes text. `name` says which model; it is shown beside what it wrote."""

    @property
    def name(self) -> str: ...

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling = GREEDY,
        progress: ProgressCallback | None = None,
    ) -> list[Completion]:
        """`sampling.n` completions a prompt, in the order of the prompts, those of one prompt together."""
        ...

    def stream(self, prompt: Prompt, sampling: Sampling = GREEDY) -> Iterator[str]:
        """The text of the first completion in pieces, as they come; joined they are what `generate` returns."""
        ...

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[ContinuationScore]:
        """How likely each continuation is after its prompt."""
        ...
