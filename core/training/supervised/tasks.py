"""Several tasks in one run: each batch is of one task and learned by that task's objective.

`core.training.data.mixing.MixedBatches` says which task's turn it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import InputError
from core.training.data.batches import Batches
from core.training.data.mixing import MixedBatches
from core.training.supervised.learner import evaluate
from core.training.supervised.objective import Batch, Objective, Tally


@dataclass(frozen=True, slots=True, eq=False)
class TaskObjective:
    """The objectives by task, in the order of the mixed batches. Made by `task_objective`."""

    objectives: Mapping[str, Objective]
    name: str = "tasks"

    def targets(self, batch: Batch) -> int:
        return self._of(batch)[1].targets(batch)

    def tally(self, model: Any, batch: Batch) -> Tally:
        task, objective = self._of(batch)
        found = objective.tally(model, batch)
        sums = {"loss": float(found.loss.detach()), **found.sums}
        return Tally(found.loss, found.targets, {f"{task}/{name}": value for name, value in sums.items()})

    def _of(self, batch: Batch) -> tuple[str, Objective]:
        return list(self.objectives.items())[int(batch["task"])]


def task_objective(batches: MixedBatches, objectives: Mapping[str, Objective]) -> TaskObjective:
    """Raises `InputError` where a task has no objective."""
    missing = [task for task in batches.names if task not in objectives]
    if missing:
        raise InputError(f"The task '{missing[0]}' has no objective.", hint="Give each task one.")
    return TaskObjective({task: objectives[task] for task in batches.names})


def evaluate_tasks(
    model: Any, objectives: Mapping[str, Objective], held_out: Mapping[str, Batches], *, device: str = "cpu"
) -> dict[str, float]:
    """Means over each task's held-out batches, as `task/figure`."""
    return {
        f"{task}/{name}": value
        for task, batches in held_out.items()
        for name, value in evaluate(model, objectives[task], batches, device=device).items()
    }
