"""Keeping a prompt within a number of tokens: examples and quotations give way, instructions and question never.

A quotation is cut between sentences alone, from the last sentence of the last one backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from core.errors import InputError
from core.prompts.messages import Message
from core.prompts.quotation import Quotation
from core.text import split_sentences

_TURN_TOKENS = 8
"""Allowance for what a chat template writes around a turn; 4 to 6 tokens in ChatML, Llama 3 and Mistral."""

_DEFAULT_SYSTEM_TOKENS = 24
"""Allowance for the system turn that some templates write where there is none; 21 in Qwen 2.5, 22 in SmolLM2."""

GivesWay = Literal["examples", "quotations"]

Quoted = Mapping[str, tuple[Quotation, ...]]


class BudgetTooSmall(InputError):
    """What cannot be shortened is longer than the budget."""

    def __init__(self, tokens: int) -> None:
        super().__init__(
            f"The prompt needs more than {tokens:,} tokens even without any example or quotation.",
            hint="Shorten the instructions or the question, or raise the budget.",
        )


@dataclass(frozen=True, slots=True)
class TokenBudget:
    """At most `tokens` for the whole prompt, with what a chat template adds.

    Attributes:
        count: gives the tokens of a text (`LocalGenerator.count_tokens`).
        first: what gives way first. The other only does where that was not enough.
    """

    tokens: int
    count: Callable[[str], int]
    first: GivesWay = "examples"

    def fits(self, turns: Sequence[Message]) -> bool:
        """Whether the turns, with what a chat template adds, stay within the budget."""
        written = sum(self.count(turn["content"]) + _TURN_TOKENS for turn in turns)
        has_system = any(turn["role"] == "system" for turn in turns)
        return written + (0 if has_system else _DEFAULT_SYSTEM_TOKENS) <= self.tokens


def fit_quotations(quoted: Quoted, fits: Callable[[Quoted], bool]) -> tuple[Quoted, tuple[str, ...]]:
    """The longest beginning of the quotations that fits, cut between sentences, and what was left out, in words.

    Quotations come best first, so the last ones are shortened and dropped before the first one loses a sentence.
    """
    ends = {name: [_sentence_ends(quotation) for quotation in quotations] for name, quotations in quoted.items()}
    total = sum(len(of_one) for of_name in ends.values() for of_one in of_name)
    low, high = 0, total  # most sentences known to fit (or none), most that might
    while low < high:
        middle = (low + high + 1) // 2
        if fits(_first_sentences(quoted, ends, middle)):
            low = middle
        else:
            high = middle - 1
    return _first_sentences(quoted, ends, low), _left_out(ends, low)


def _sentence_ends(quotation: Quotation) -> list[int]:
    return [span.end for span in split_sentences(quotation.text)]


def _first_sentences(quoted: Quoted, ends: Mapping[str, list[list[int]]], count: int) -> Quoted:
    kept: dict[str, tuple[Quotation, ...]] = {}
    for name, quotations in quoted.items():
        shortened = []
        for quotation, cuts in zip(quotations, ends[name], strict=True):
            take = min(count, len(cuts))
            count -= take
            if take:
                shortened.append(replace(quotation, text=quotation.text[: cuts[take - 1]]))
        kept[name] = tuple(shortened)
    return kept


def _left_out(ends: Mapping[str, list[list[int]]], count: int) -> tuple[str, ...]:
    notes = []
    for name, of_name in ends.items():
        for number, cuts in enumerate(of_name, start=1):
            take = min(count, len(cuts))
            count -= take
            if take < len(cuts):
                notes.append(f"{name} {number}: {len(cuts) - take} of {len(cuts)} sentences")
    return tuple(notes)
