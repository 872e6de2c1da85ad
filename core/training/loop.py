"""The one loop: steps, evaluations, checkpoints, in an order that a kill at any moment cannot disturb.

What learns is a `Learner`, whose step is a function of its state and the step's number alone; so a run that resumes
from a checkpoint goes the way it would have gone. Supervised training, reward models, policy optimisation and evolution
strategies are learners; the loop knows nothing of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import Field

from core.models.held_memory import bound_kernels, give_freed_back
from core.progress import ProgressCallback
from core.training.checkpoint import State, latest_checkpoint, read_state, save_checkpoint, write_state
from core.training.config import Config
from core.training.faults import CheckpointFailed, Diverged
from core.training.journal import Journal, NoJournal
from core.training.memory import resident_memory
from core.training.team import Alone, Team, by_first, gathered

BEST = "best"


class Learner(Protocol):
    """Something that learns step by step."""

    def step(self, index: int) -> Mapping[str, float]:
        """Do step `index` (from 0); figures to write down. Raises `TrainingFault` where it cannot go on."""
        ...

    def state(self) -> State:
        """All that later steps depend on."""
        ...

    def load(self, state: State) -> None:
        """Go on from what `state` gave."""
        ...

    def samples(self) -> Sequence[Mapping[str, Any]]:
        """What was drawn or learned from in the last step, to be looked at; may be empty."""
        ...


class Cadence(Config):
    """How often what, in steps. `patience`: stop after so many evaluations without a better one; 0 never stops."""

    checkpoint_every: int = Field(50, ge=1)
    evaluate_every: int = Field(0, ge=0)
    samples_every: int = Field(50, ge=0)
    keep: int = Field(2, ge=1)
    patience: int = Field(0, ge=0)
    trackers: tuple[str, ...] = ("tensorboard",)


class LoopConfig(Cadence):
    """How long, and how often what."""

    steps: int = Field(ge=1)


@dataclass(frozen=True, slots=True)
class LoopReport:
    """How a run ended.

    Attributes:
        steps: done, those before a resumption included.
        best_step, best_value: of the best evaluation; None without one.
        resumed_at: steps that were done before this run began.
    """

    steps: int
    best_step: int | None
    best_value: float | None
    resumed_at: int


@dataclass(slots=True)
class _Best:
    """The best evaluation so far, and how many there were since."""

    step: int | None = None
    value: float | None = None
    misses: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a run writes."""

    folder: Path
    journal: Journal | NoJournal
    team: Team


def run(
    learner: Learner,
    config: LoopConfig,
    folder: Path,
    *,
    evaluate: Callable[[], float] | None = None,
    progress: ProgressCallback | None = None,
    team: Team | None = None,
    notes: Mapping[str, float] | None = None,
) -> LoopReport:
    """Let `learner` learn, in `folder`, going on from the newest intact checkpoint there.

    After the last step the learner is in its best state, where there were evaluations, else in its last.

    Args:
        evaluate: a figure on held-out data, more is better; called each `evaluate_every` steps and at the end. Above 0
            steps this also happens before the first, so that training which only harms is seen.
        notes: figures to write down before the first step.
        team: the learner's. All processes read checkpoints, the first writes, and its evaluation counts.

    Raises:
        TrainingFault: a figure is not finite, a reward failed, a checkpoint cannot be written.
    """
    bound_kernels()
    team = team or Alone()
    first = team.rank == 0
    done, best = _resume(learner, folder, team)
    with Journal(folder, trackers=config.trackers, resumed_at=done) if first else NoJournal() as journal:
        place = _Place(folder, journal, team)
        resumed_at = done
        if done == 0 and notes:
            journal.log(0, notes)
        if done == 0 and config.evaluate_every and evaluate:
            _evaluate(learner, evaluate, 0, best, place)
        give_freed_back()
        while not _over(done, best, config):
            figures = dict(learner.step(done))
            _check(figures, done)
            done += 1
            journal.log(done, figures | resident_memory())
            if config.samples_every and done % config.samples_every == 0:
                journal.samples(done, learner.samples())
            due = config.evaluate_every and (done == config.steps or done % config.evaluate_every == 0)
            if evaluate and due:
                _evaluate(learner, evaluate, done, best, place)
            if _over(done, best, config) or done % config.checkpoint_every == 0:
                _save(learner, done, best, place, config.keep)
                give_freed_back()
            if progress and first:
                progress(done, config.steps)
    if best.step is not None:
        _load_best(learner, folder, best.step)
    return LoopReport(done, best.step, best.value, resumed_at)


def _resume(learner: Learner, folder: Path, team: Team) -> tuple[int, _Best]:
    """Steps of the newest intact checkpoint, which the learner then goes on from, and the best so far."""
    found = latest_checkpoint(folder)
    steps = team.gather([found[0] if found else 0])
    if len(set(steps)) > 1:
        raise CheckpointFailed(
            f"The processes find different checkpoints in '{folder}', of steps {', '.join(map(str, steps))}.",
            hint="The folder must be the same for all processes, on a disk they share.",
        )
    if found is None:
        return 0, _Best()
    done, state = found
    kept = dict(state.numbers)
    best = _Best(*kept.pop("loop.best"))
    learner.load(State(state.tensors, kept["learner"]))
    return done, best


def _over(done: int, best: _Best, config: LoopConfig) -> bool:
    return done >= config.steps or bool(config.patience and best.misses >= config.patience)


def _evaluate(learner: Learner, evaluate: Callable[[], float], step: int, best: _Best, place: _Place) -> None:
    value = gathered(place.team, lambda: [evaluate()])[0]
    _check({"evaluation": value}, step)
    place.journal.log(step, {"evaluation": value})
    if best.value is None or value > best.value:
        best.step, best.value, best.misses = step, value, 0
        state = learner.state()
        kept = State(state.tensors, {"learner": dict(state.numbers)})
        by_first(place.team, lambda: write_state(place.folder / BEST, step, kept))
    else:
        best.misses += 1


def _save(learner: Learner, done: int, best: _Best, place: _Place, keep: int) -> None:
    state = learner.state()
    numbers = {"learner": dict(state.numbers), "loop.best": [best.step, best.value, best.misses]}
    by_first(place.team, lambda: save_checkpoint(place.folder, done, State(state.tensors, numbers), keep=keep))


def _load_best(learner: Learner, folder: Path, step: int) -> None:
    found = read_state(folder / BEST)
    if found is None or found[0] != step:
        raise CheckpointFailed(
            f"The best state, of step {step}, is missing or damaged in '{folder / BEST}'.",
            hint="Delete the folder of the run and train again, or go on with its last checkpoint.",
        )
    learner.load(State(found[1].tensors, found[1].numbers["learner"]))


def _check(figures: Mapping[str, float], step: int) -> None:
    for name, value in figures.items():
        if not math.isfinite(value):
            raise Diverged(name, step)
