"""Supervised training as a learner: batch `index`, an objective, a step of the optimiser.

Which batch a step sees and what dropout leaves out depend on (seed, step) alone. A batch may be gone through in pieces
and over several processes; the loss is the sum over all its targets by their number, so neither changes the step.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from core.errors import InputError
from core.inference.rollout import evaluation_mode
from core.training.checkpoint import State
from core.training.data.batches import Batches
from core.training.faults import Diverged
from core.training.optimiser import Optimiser, OptimiserConfig
from core.training.seeds import seeded
from core.training.team import Alone, Team, share, summed

if TYPE_CHECKING:
    import torch

Batch = Mapping[str, "torch.Tensor"]


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """What an objective makes of some rows.

    Attributes:
        loss: the sum over targets, to be differentiated.
        targets: how many there are.
        sums: further sums over targets to write down as means, such as how many were hit.
    """

    loss: torch.Tensor
    targets: int
    sums: Mapping[str, float] = field(default_factory=dict)


class Objective(Protocol):
    """What is learned from a batch."""

    @property
    def name(self) -> str: ...

    def targets(self, batch: Batch) -> int:
        """How many targets the batch has, without running the model."""
        ...

    def tally(self, model: Any, batch: Batch) -> Tally:
        """Run the model over the batch."""
        ...


class SupervisedLearner:
    """See the module; a `core.training.loop.Learner`.

    Args:
        parameters: what learns, by name.
        piece_rows: so many rows of a batch go through the model at a time; less takes less memory and changes nothing
            else, dropout aside.
        in_force: entered around each step, for instance to switch an adapter on.
    """

    def __init__(
        self,
        model: Any,
        parameters: Mapping[str, torch.nn.Parameter],
        objective: Objective,
        batches: Batches,
        *,
        optimiser: OptimiserConfig,
        steps: int,
        seed: int,
        piece_rows: int = 8,
        device: str = "cpu",
        in_force: Callable[[], Any] | None = None,
        team: Team | None = None,
    ) -> None:
        if len(batches) == 0:
            raise InputError(
                "There is nothing to learn from: the data has no batches.", hint="Check the recipe's data."
            )
        self._model, self._objective, self._batches = model, objective, batches
        self._steps, self._seed, self._piece_rows, self._device = steps, seed, piece_rows, device
        self._in_force = in_force or contextlib.nullcontext
        self._team: Team = team or Alone()
        self._optimiser = Optimiser(parameters, optimiser, team=self._team)

    def step(self, index: int) -> Mapping[str, float]:
        """See `Learner.step`. Raises `Diverged` and leaves the weights as they were if the loss is not finite."""
        epoch, number = divmod(index, len(self._batches))
        batch = self._batches.batch(epoch, number)
        targets = self._objective.targets(batch)
        if targets == 0:
            return {"loss": 0.0, "targets": 0.0, "learning_rate": 0.0, "gradient_norm": 0.0}
        totals: dict[str, float] = {"loss": 0.0}
        with self._in_force(), training_mode(self._model):
            for first, piece in share(_pieces(batch, self._piece_rows, self._team.size), self._team):
                with seeded(self._seed, "dropout", index, first):
                    tally = self._objective.tally(self._model, _moved(piece, self._device))
                    (tally.loss / targets).backward()
                for name, value in {"loss": float(tally.loss.detach()), **tally.sums}.items():
                    totals[name] = totals.get(name, 0.0) + value
        totals = summed(self._team, totals)
        if not math.isfinite(totals["loss"]):
            self._optimiser.forget()
            raise Diverged("loss", index, _sample_of(batch))
        rate = self._optimiser.config.rate(index, self._steps)
        norm = self._optimiser.step(rate)
        if not math.isfinite(norm):
            raise Diverged("gradient", index, _sample_of(batch))
        means = {name: value / targets for name, value in totals.items()}
        return means | {"targets": float(targets), "learning_rate": rate, "gradient_norm": norm}

    def state(self) -> State:
        """Masters and moments."""
        return State(self._optimiser.state())

    def load(self, state: State) -> None:
        """See `Learner.load`."""
        self._optimiser.load(state.tensors)

    def samples(self) -> Sequence[Mapping[str, Any]]:
        """None: what is learned from stands in the data."""
        return []


def evaluate(model: Any, objective: Objective, batches: Batches, *, device: str = "cpu") -> dict[str, float]:
    """Means over one epoch of held-out batches, in evaluation mode and without gradient."""
    import torch

    totals: dict[str, float] = {}
    targets = 0
    with torch.no_grad(), evaluation_mode(model):
        for number in range(len(batches)):
            tally = objective.tally(model, _moved(batches.batch(0, number), device))
            targets += tally.targets
            for name, value in {"loss": float(tally.loss), **tally.sums}.items():
                totals[name] = totals.get(name, 0.0) + value
    if targets == 0:
        raise InputError("The held-out data has nothing to evaluate on.", hint="Check the recipe's data.")
    return {name: value / targets for name, value in totals.items()}


@contextlib.contextmanager
def training_mode(model: Any) -> Iterator[None]:
    """The model in training mode inside the block, each of its modules as it was after it."""
    before = [(module, module.training) for module in model.modules()]
    model.train()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def _pieces(batch: Batch, rows: int, processes: int) -> list[tuple[int, dict[str, torch.Tensor]]]:
    """Parts of at most `rows` rows, with the number of the first; small enough that every process gets one."""
    size = len(next(iter(batch.values())))
    rows = min(rows, -(-size // processes))
    return [
        (start, {key: value[start : start + rows] for key, value in batch.items()}) for start in range(0, size, rows)
    ]


def _moved(batch: Batch, device: str) -> dict[str, torch.Tensor]:
    return {key: value.to(device) for key, value in batch.items()}


def _sample_of(batch: Batch) -> str:
    return f"items {batch['items'].tolist()}" if "items" in batch else "see the batch of this step"
