"""Prompt search: which instruction with which demonstrations serves a task best, by a metric, on held-out examples.

Candidates are all pairs of an instruction and a set of demonstrations. Successive halving (Karnin, Koren & Somekh 2013,
algorithm 1; Jamieson & Talwalkar 2016) on the training part leaves a few; those and the first candidate, the baseline,
are compared on the validation part, and the best of them there is the winner. Only then is the test part touched: once,
for winner and baseline. The examples are cut by group, so that questions on one passage never stand on both sides.

What the generator answered is kept in a file by the content of the prompt: a search that was stopped goes on where it
was, and one with another metric asks nothing anew.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import InputError
from core.inference.answer_cache import AnswerCache
from core.inference.classify import classify
from core.inference.generator import Generator, Sampling
from core.inference.held_out import Figure, LabelledInput, figure, split_examples
from core.metrics.metric import Context, Metric
from core.progress import ProgressCallback
from core.prompts.demonstrations import (
    Demonstration,
    DemonstrationChoice,
    InOrder,
    choose_demonstrations,
    few_shot_prompt,
    plain_letters,
)
from core.prompts.few_shot import FewShotPrompt
from core.prompts.messages import as_messages
from core.prompts.template import ChatPrompt

_BATCH = 32
_SHORT = Sampling(max_tokens=64)


@dataclass(frozen=True, slots=True)
class Shots:
    """A set of demonstrations to try: those of `pool` that `choice` picks for an input, `count` of them.

    With `InOrder`, `AtRandom` or `Covering` every input gets the same ones, and the winner can be stored as a file.
    """

    name: str
    pool: tuple[Demonstration, ...] = ()
    count: int = 0
    choice: DemonstrationChoice = field(default_factory=InOrder)

    def for_input(self, input: str) -> list[Demonstration]:
        return choose_demonstrations(input, self.pool, self.count, self.choice)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An instruction with a set of demonstrations."""

    instruction: str
    shots: Shots

    def prompt(self, input: str) -> ChatPrompt:
        return few_shot_prompt(self.instruction, self.shots.for_input(input)).format(input=input)

    def stored_form(self) -> FewShotPrompt:
        """The prompt with its demonstrations. Raises `InputError` where they differ from input to input."""
        if self.shots.pool and self.shots.choice.per_input:
            raise InputError(
                f"The demonstrations '{self.shots.name}' are chosen for each input; a prompt file cannot do that.",
                hint="Keep the pool and the choice in the program, or search with a fixed choice.",
            )
        return few_shot_prompt(self.instruction, self.shots.for_input(""))


@dataclass(frozen=True, slots=True)
class Task:
    """What all candidates have in common.

    Attributes:
        choices: labels to choose from by their likelihood; empty where the answer is written.
        sampling: how an answer is written; greedy, 64 tokens by default.
    """

    metric: Metric
    choices: tuple[str, ...] = ()
    sampling: Sampling = _SHORT


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate on a part of the examples. `stage` is "round 1", …, "validation" or "test"."""

    stage: str
    candidate: int
    figure: Figure


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found, and all it looked at.

    Attributes:
        candidates: number 0 is the baseline.
        winner: number of the best on validation; 0 where nothing was better than the baseline.
        test, baseline_test: the test figures of winner and baseline.
        gain: mean of winner less baseline on the test part, input by input.
        sizes: inputs in each part.
        asked: prompts that the generator answered, those remembered from before not counted.
    """

    candidates: tuple[Candidate, ...]
    trials: tuple[Trial, ...]
    winner: int
    test: Figure
    baseline_test: Figure
    gain: Figure
    sizes: Mapping[str, int]
    asked: int

    @property
    def best(self) -> Candidate:
        return self.candidates[self.winner]


def search_prompts(
    generator: Generator,
    instructions: Sequence[str],
    demonstrations: Sequence[Shots],
    examples: Sequence[LabelledInput],
    task: Task,
    *,
    finalists: int = 3,
    evaluations: int | None = None,
    seed: int = 0,
    cache: Path | None = None,
    progress: ProgressCallback | None = None,
) -> SearchResult:
    """The best of `instructions` × `demonstrations`, measured on examples it was not chosen on.

    Args:
        instructions: different texts; the first with the first of `demonstrations` is the baseline.
        finalists: so many are compared on validation.
        evaluations: how many answers the halving may cost; by default each round sees as much of the training part as
            lets the last one see all of it.
        cache: a JSON file for the answers; None remembers nothing.
        progress: gets answers done and the most there may be.

    Raises:
        InputError: no candidate, one twice, too few examples, a demonstration that is one of the examples held out,
            or an example without a right answer among the choices.
    """
    candidates = tuple(Candidate(text, shots) for text in instructions for shots in demonstrations)
    parts = split_examples(examples, seed=seed)
    _check(candidates, parts, finalists)
    _check_choices(task.choices, examples)
    rounds = halving_rounds(len(candidates), finalists, len(parts["train"]), evaluations)
    total = _answers_of(rounds)
    total += (min(finalists, len(candidates)) + 1) * len(parts["validation"]) + 2 * len(parts["test"])
    asker = _Asker(generator, task, AnswerCache(cache), progress, total)

    trials: list[Trial] = []
    alive = list(range(len(candidates)))
    seen = 0
    for number, (_, size) in enumerate(rounds, start=1):
        values = {index: asker.values(candidates[index], parts["train"][:size], seen) for index in alive}
        trials += _trials(f"round {number}", values, parts["train"][:size])
        seen = size
        keep = rounds[number][0] if number < len(rounds) else finalists
        alive = _best(values, keep)
    judged = {
        index: asker.values(candidates[index], parts["validation"]) for index in dict.fromkeys([0, *sorted(alive)])
    }
    trials += _trials("validation", judged, parts["validation"])
    winner = _best(judged, 1)[0]

    tested = {index: asker.values(candidates[index], parts["test"]) for index in dict.fromkeys([0, winner])}
    trials += _trials("test", tested, parts["test"])
    asker.finished()
    gains = [ours - before for ours, before in zip(tested[winner], tested[0], strict=True)]
    return SearchResult(
        candidates=candidates,
        trials=tuple(trials),
        winner=winner,
        test=figure(tested[winner], parts["test"]),
        baseline_test=figure(tested[0], parts["test"]),
        gain=figure(gains, parts["test"]),
        sizes={name: len(part) for name, part in parts.items()},
        asked=asker.asked,
    )


def halving_rounds(candidates: int, finalists: int, examples: int, evaluations: int | None) -> list[tuple[int, int]]:
    """`(candidates, examples)` of each round: the former halve down to the finalists, the latter double.

    With `evaluations` the sizes shrink until all rounds together cost no more answers, but none below one example; a
    later round asks the survivors only what they have not been asked yet.
    """
    if candidates <= finalists:
        return []
    counts = [candidates]
    while math.ceil(counts[-1] / 2) > finalists:
        counts.append(math.ceil(counts[-1] / 2))
    sizes = [max(1, examples >> (len(counts) - 1 - number)) for number in range(len(counts))]
    rounds = list(zip(counts, sizes, strict=True))
    if evaluations is not None:
        share = min(1.0, evaluations / _answers_of(rounds))
        rounds = [(count, max(1, int(size * share))) for count, size in rounds]
    return rounds


def _answers_of(rounds: Sequence[tuple[int, int]]) -> int:
    """Answers that the rounds cost, each round asking only what is new."""
    before = [0, *(size for _, size in rounds)]
    return sum(count * (size - known) for (count, size), known in zip(rounds, before, strict=False))


class _Asker:
    """Asks the generator for what is not known yet, and measures."""

    def __init__(
        self, generator: Generator, task: Task, cache: AnswerCache, progress: ProgressCallback | None, total: int
    ) -> None:
        self._generator, self._task, self._cache = generator, task, cache
        self._progress, self._total, self._done = progress, total, 0
        self.asked = 0

    def values(self, candidate: Candidate, examples: Sequence[LabelledInput], seen: int = 0) -> list[float]:
        """The metric of the candidate's answer to each example, the first `seen` of which it has answered before."""
        prompts = [candidate.prompt(one.input) for one in examples]
        keys = [self._key(prompt) for prompt in prompts]
        missing = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in self._cache}
        for start in range(0, len(missing), _BATCH):
            batch = list(missing.items())[start : start + _BATCH]
            self._cache.put(zip([key for key, _ in batch], self._answers([prompt for _, prompt in batch]), strict=True))
            self.asked += len(batch)
            self._report(len(batch))
        self._report(len(examples) - seen - len(missing))
        contexts = [Context(references=one.references, prompt=one.input) for one in examples]
        return [score.value for score in self._task.metric.score([self._cache[key] for key in keys], contexts)]

    def finished(self) -> None:
        if self._progress:
            self._progress(self._total, self._total)

    def _answers(self, prompts: Sequence[ChatPrompt]) -> list[str]:
        if self._task.choices:
            found = classify(self._generator, prompts, self._task.choices)
            return [one.choice for one in found]
        return [one.text.strip() for one in self._generator.generate(prompts, self._task.sampling)]

    def _key(self, prompt: ChatPrompt) -> str:
        asked = (self._generator.name, as_messages(prompt), self._task.choices, self._task.sampling)
        return hashlib.sha256(repr(asked).encode()).hexdigest()

    def _report(self, count: int) -> None:
        self._done = min(self._done + max(count, 0), self._total)
        if self._progress and count > 0:
            self._progress(self._done, self._total)


def _trials(stage: str, values: Mapping[int, list[float]], examples: Sequence[LabelledInput]) -> list[Trial]:
    return [Trial(stage, index, figure(row, examples)) for index, row in values.items()]


def _best(values: Mapping[int, list[float]], count: int) -> list[int]:
    """Numbers of the candidates with the highest mean; the earlier of equals."""
    return sorted(values, key=lambda index: (-math.fsum(values[index]) / len(values[index]), index))[:count]


def _check(candidates: Sequence[Candidate], parts: Mapping[str, Sequence[LabelledInput]], finalists: int) -> None:
    if not candidates or finalists < 1:
        raise InputError("There is nothing to search.", hint="Give an instruction, a set of shots, and 1 finalist.")
    if len({(one.instruction, one.shots.name) for one in candidates}) < len(candidates):
        raise InputError("An instruction or the name of a set of shots comes twice.", hint="Leave one out.")
    empty = [name for name, part in parts.items() if not part]
    if empty:
        raise InputError(f"The examples leave nothing for the {empty[0]} part.", hint="Give more, or more groups.")
    held_out = {plain_letters(one.input) for name in ("validation", "test") for one in parts[name]}
    for candidate in candidates:
        for one in candidate.shots.pool:
            if plain_letters(one.input) in held_out:
                raise InputError(
                    f"The demonstration '{one.input[:60]}' is also an example held out for measuring.",
                    hint="Take demonstrations from elsewhere.",
                )


def _check_choices(choices: Sequence[str], examples: Sequence[LabelledInput]) -> None:
    for one in examples:
        if choices and not set(one.references) & set(choices):
            raise InputError(
                f"No right answer to '{one.input[:60]}' is among the choices: {', '.join(one.references)}.",
                hint="Write answers and choices alike.",
            )
