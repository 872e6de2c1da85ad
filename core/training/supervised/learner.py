"""Supervised training as a learner: batch `index`, an objective, a step of the optimiser.

Which batch a step sees and what dropout leaves out depend on (seed, step) alone. A batch may be gone through in pieces
and over several processes; the loss is the sum over all its targets by their number, so neither changes the step.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.inference.rollout import evaluation_mode
from core.training.checkpoint import State
from core.training.data.batches import Batches
from core.training.faults import Diverged
from core.training.optimiser import OptimiserConfig
from core.training.seeds import seeded
from core.training.supervised.engine import make_engine
from core.training.supervised.objective import Batch, Objective, Tally
from core.training.team import Alone, Team, share, summed

if TYPE_CHECKING:
    import torch


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
        self._engine = make_engine(model, parameters, objective, optimiser, self._team)

    def step(self, index: int) -> Mapping[str, float]:
        """See `Learner.step`. Raises `Diverged` and leaves the weights as they were if the loss is not finite."""
        epoch, number = divmod(index, len(self._batches))
        batch = self._batches.batch(epoch, number)
        targets = self._objective.targets(batch)
        if targets == 0:
            return {"loss": 0.0, "targets": 0.0, "learning_rate": 0.0, "gradient_norm": 0.0}
        totals: dict[str, float] = {"loss": 0.0}
        with self._in_force(), training_mode(self._model):
            mine = self._share(batch)
            for turn, (first, weight, piece) in enumerate(mine, start=1):
                with seeded(self._seed, "dropout", index, first):
                    tally = self._engine.tally(_moved(piece, self._device))
                    self._engine.backward(tally.loss * (weight / targets), last=turn == len(mine))
                for name, value in {"loss": float(tally.loss.detach()), **tally.sums}.items():
                    totals[name] = totals.get(name, 0.0) + weight * value
        totals = summed(self._team, totals)
        if not math.isfinite(totals["loss"]):
            self._engine.forget()
            raise Diverged("loss", index, _sample_of(batch))
        rate = self._engine.config.rate(index, self._steps)
        norm = self._engine.step(rate)
        if not math.isfinite(norm):
            raise Diverged("gradient", index, _sample_of(batch))
        means = {name: value / targets for name, value in totals.items()}
        return means | {"targets": float(targets), "learning_rate": rate, "gradient_norm": norm}

    def evaluate(self, batches: Batches) -> dict[str, float]:
        """As `evaluate` below, over all processes: each takes its share, unless weights are in parts over them."""
        with self._in_force():
            everybody: Team = Alone() if self._engine.sharded else self._team
            return _means(self._model, self._engine.tally, batches, self._device, everybody)

    def state(self) -> State:
        """Masters and moments."""
        return State(self._engine.state())

    def load(self, state: State) -> None:
        """See `Learner.load`."""
        self._engine.load(state.tensors)

    def _share(self, batch: Batch) -> list[tuple[int, float, dict[str, torch.Tensor]]]:
        """Pieces of this process: the number of the first row, a weight, the rows.

        Where weights are in parts, all processes have equally many pieces: one that is short of one goes through the
        first again, with weight 0.
        """
        pieces = _pieces(batch, self._piece_rows, self._team.size)
        mine = [(first, 1.0, piece) for first, piece in share(pieces, self._team)]
        if self._engine.sharded and len(mine) < -(-len(pieces) // self._team.size):
            mine.append((pieces[0][0], 0.0, pieces[0][1]))
        return mine

    def samples(self) -> Sequence[Mapping[str, Any]]:
        """None: what is learned from stands in the data."""
        return []


def evaluate(model: Any, objective: Objective, batches: Batches, *, device: str = "cpu") -> dict[str, float]:
    """Means over one epoch of held-out batches, in evaluation mode and without gradient."""
    return _means(model, lambda batch: objective.tally(model, batch), batches, device, Alone())


def _means(
    model: Any, tally_of: Callable[[Batch], Tally], batches: Batches, device: str, team: Team
) -> dict[str, float]:
    import torch

    totals: dict[str, float] = {"targets": 0.0}
    with torch.no_grad(), evaluation_mode(model):
        for number in share(range(len(batches)), team):
            tally = tally_of(_moved(batches.batch(0, number), device))
            found = {"targets": float(tally.targets), "loss": float(tally.loss), **tally.sums}
            totals = {name: totals.get(name, 0.0) + value for name, value in found.items()}
    totals = summed(team, totals)
    targets = totals.pop("targets")
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
        (start, {key: value[start : start + rows] if value.dim() else value for key, value in batch.items()})
        for start in range(0, size, rows)
    ]


def _moved(batch: Batch, device: str) -> dict[str, torch.Tensor]:
    return {key: value.to(device) for key, value in batch.items()}


def _sample_of(batch: Batch) -> str:
    return f"items {batch['items'].tolist()}" if "items" in batch else "see the batch of this step"
