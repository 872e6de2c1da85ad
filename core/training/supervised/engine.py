"""How a supervised step is computed: with the whole model in every process, or with its weights in parts over them.

FSDP2 and DeepSpeed gather the weights of a module when its `forward` is called. Objectives take a model apart (the
trunk, then the output matrix at some places), so what is handed to them is a module whose `forward` is the objective.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from core.errors import InputError
from core.training.optimiser import Optimiser, OptimiserConfig
from core.training.supervised.objective import Batch, Objective, Tally
from core.training.team import Accelerated, Team

if TYPE_CHECKING:
    import torch


class Engine(Protocol):
    """One step: `tally` and `backward` of each piece, then `step`. `config` is the optimiser's.

    Where weights are in parts (`sharded`), all processes must call each of these equally often.
    """

    config: OptimiserConfig
    sharded: bool

    def tally(self, batch: Batch) -> Tally: ...

    def backward(self, loss: torch.Tensor, *, last: bool) -> None:
        """Add to the gradients; `last` where it is the step's last piece."""
        ...

    def step(self, rate: float) -> float:
        """See `Optimiser.step`."""
        ...

    def forget(self) -> None:
        """Drop the gradients there are."""
        ...

    def state(self) -> dict[str, torch.Tensor]:
        """Masters and moments by name, whole, whatever part of them is here: any engine can go on from them."""
        ...

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from what `state` gave."""
        ...


def make_engine(
    model: Any,
    parameters: Mapping[str, torch.nn.Parameter],
    objective: Objective,
    config: OptimiserConfig,
    team: Team,
) -> Engine:
    """The engine for how `team` was launched. A model that is sharded is changed in place."""
    if team.sharding == "":
        return WholeModel(model, objective, Optimiser(parameters, config, team=team))
    assert isinstance(team, Accelerated)
    if team.sharding == "deepspeed":
        from core.training.supervised.deepspeed import ZeroEngine

        return ZeroEngine(model, parameters, objective, config, team)
    return _fully_sharded(model, parameters, objective, config, team)


class WholeModel:
    """See the module. Gradients are summed over processes by the optimiser, unless that is done as they arise.

    Args:
        model: called with a batch where it is sharded, else handed to the objective.
        scale: of losses, for gradients that are averaged as they arise where the sum is wanted.
    """

    def __init__(
        self, model: Any, objective: Objective, optimiser: Optimiser, *, sharded: bool = False, scale: float = 1.0
    ) -> None:
        self.config, self.sharded = optimiser.config, sharded
        self._model, self._objective, self._optimiser, self._scale = model, objective, optimiser, scale
        self.step, self.forget = optimiser.step, optimiser.forget
        self.state, self.load = optimiser.state, optimiser.load

    def tally(self, batch: Batch) -> Tally:
        if self.sharded:
            return Tally(*self._model(batch))
        return self._objective.tally(self._model, batch)

    def backward(self, loss: torch.Tensor, *, last: bool) -> None:
        (loss * self._scale).backward()


def objective_module(model: Any, objective: Objective) -> Any:
    """A module that takes a batch and gives the fields of its `Tally`: a tuple, in which hooks find the loss."""
    import torch

    class ObjectiveModule(torch.nn.Module):
        _no_split_modules = getattr(model, "_no_split_modules", None)  # where accelerate cuts a model

        def __init__(self) -> None:
            super().__init__()
            self.learner = model

        def forward(self, batch: Batch) -> tuple[torch.Tensor, int, Mapping[str, float]]:
            tally = objective.tally(self.learner, batch)
            return tally.loss, tally.targets, tally.sums

    module = ObjectiveModule()
    module.config = model.config
    return module


def _fully_sharded(
    model: Any,
    parameters: Mapping[str, torch.nn.Parameter],
    objective: Objective,
    config: OptimiserConfig,
    team: Accelerated,
) -> WholeModel:
    import torch

    names = list(parameters)
    tensors = list(parameters.values())
    if len({tensor.dtype for tensor in model.parameters()}) > 1:
        raise InputError(
            "FSDP2 shards models whose weights are all in one number format.",
            hint="Train all weights (adapter = false), or in float32, or launch with ddp.",
        )
    # accelerate wants an optimizer beside the model; ours is made of the weights as they are after sharding
    sharded, _ = team.accelerator.prepare(objective_module(model, objective), torch.optim.SGD(tensors, lr=0.0))
    found = dict(model.named_parameters())
    optimiser = Optimiser({name: found[name] for name in names}, config)
    return WholeModel(sharded, objective, optimiser, sharded=True, scale=float(team.size))
