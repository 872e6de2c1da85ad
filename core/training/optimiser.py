"""AdamW over float32 master weights, whatever the model computes in.

A step of a small learning rate is below the resolution of bfloat16; the masters keep it. The model's own tensors are
written from them after each step. Parameters in float32 are their own masters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.errors import InputError
from core.training.team import Alone, Team

if TYPE_CHECKING:
    import torch

_MOMENTS = ("exp_avg", "exp_avg_sq")
_BUCKET_NUMBERS = 2**24
"""Gradients are summed over processes so many numbers at a time: 64 MiB."""


class OptimiserConfig(BaseModel):
    """How to step. `schedule` says how the learning rate goes down to 0 after the warm-up, or that it stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: float = Field(1e-5, gt=0)
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    epsilon: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    warmup_steps: int = Field(0, ge=0)
    schedule: Literal["constant", "linear", "cosine"] = "constant"

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of step `step` (from 0) of `steps`."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, steps - self.warmup_steps)
        if self.schedule == "linear":
            return self.learning_rate * max(0.0, 1 - done)
        if self.schedule == "cosine":
            return self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return self.learning_rate


class Optimiser:
    """Steps named parameters.

    Args:
        parameters: those that learn, by name; their gradients are read, and set to None by `step`.
        team: processes whose gradients are summed.
    """

    def __init__(
        self,
        parameters: Mapping[str, torch.nn.Parameter],
        config: OptimiserConfig,
        *,
        team: Team | None = None,
    ) -> None:
        import torch

        if team is not None and team.sharding:
            raise InputError(
                f"With {team.sharding}, only supervised stages can learn so far.",
                hint="Launch this stage with ddp: every process then has all weights.",
            )
        if not parameters:
            raise InputError("There is nothing to train: no parameter learns.", hint="Add an adapter or unfreeze some.")
        self.config = config
        self._parameters = dict(parameters)
        self._team: Team = team or Alone()
        self._masters = {
            name: parameter if parameter.dtype == torch.float32 else parameter.detach().float().requires_grad_(True)
            for name, parameter in self._parameters.items()
        }
        self._adam = torch.optim.AdamW(
            list(self._masters.values()),
            lr=config.learning_rate,
            betas=(config.beta1, config.beta2),
            eps=config.epsilon,
            weight_decay=config.weight_decay,
            fused=True,
        )

    def step(self, rate: float) -> float:
        """One step at learning rate `rate`; the norm of the gradient before it was clipped.

        A norm that is not finite changes nothing; the caller decides.
        """
        import torch

        for name, parameter in self._parameters.items():
            if self._masters[name] is not parameter:
                self._masters[name].grad = None if parameter.grad is None else parameter.grad.float()
                parameter.grad = None
        if self._team.size > 1:
            self._sum_gradients()
        norm = float(_whole(torch.nn.utils.clip_grad_norm_(self._masters.values(), self.config.max_grad_norm)))
        if math.isfinite(norm):
            for group in self._adam.param_groups:
                group["lr"] = rate
            self._adam.step()
            with torch.no_grad():
                for name, parameter in self._parameters.items():
                    if self._masters[name] is not parameter:
                        parameter.copy_(self._masters[name])
        self.forget()
        return norm

    def forget(self) -> None:
        """Drop the gradients there are."""
        for name, parameter in self._parameters.items():
            parameter.grad = None
            self._masters[name].grad = None

    def _sum_gradients(self) -> None:
        """Over the processes. One whose share was empty, or passed a weight by, has no gradient and counts as 0."""
        import torch

        masters = list(self._masters.values())
        here = torch.tensor([float(master.grad is not None) for master in masters])
        learning = [master for master, count in zip(masters, self._team.total(here).tolist(), strict=True) if count]
        for master in learning:
            if master.grad is None:
                master.grad = torch.zeros_like(master)
        for bucket in _buckets(learning):
            flat = self._team.total(torch.cat([master.grad.flatten() for master in bucket if master.grad is not None]))
            for master, part in zip(bucket, flat.split([master.numel() for master in bucket]), strict=True):
                master.grad = part.view_as(master)

    def state(self) -> dict[str, torch.Tensor]:
        """Masters and moments by name, for a checkpoint."""
        import torch

        tensors = {f"master/{name}": _whole(master.detach()) for name, master in self._masters.items()}
        for name, master in self._masters.items():
            moments = self._adam.state.get(master)
            if moments:
                tensors[f"steps/{name}"] = torch.as_tensor(moments["step"], dtype=torch.float32).reshape(1)
                tensors |= {f"{moment}/{name}": _whole(moments[moment]) for moment in _MOMENTS}
        return tensors

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from what `state` gave. Raises `InputError` where the parameters are others."""
        import torch

        wanted = {f"master/{name}" for name in self._masters}
        if wanted != {name for name in tensors if name.startswith("master/")}:
            raise InputError(
                "The checkpoint is of other parameters than those that learn now.",
                hint="Use the recipe it was made with, or another output folder.",
            )
        with torch.no_grad():
            for name, master in self._masters.items():
                master.copy_(_part(tensors[f"master/{name}"], master))
                self._parameters[name].copy_(master)
                if f"steps/{name}" in tensors:
                    self._adam.state[master] = {
                        "step": tensors[f"steps/{name}"].reshape(()).to(master.device, copy=True),
                        **{moment: _part(tensors[f"{moment}/{name}"], master).clone() for moment in _MOMENTS},
                    }


def _buckets(tensors: Iterable[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    bucket: list[torch.Tensor] = []
    numbers = 0
    for tensor in tensors:
        if bucket and numbers + tensor.numel() > _BUCKET_NUMBERS:
            yield bucket
            bucket, numbers = [], 0
        bucket.append(tensor)
        numbers += tensor.numel()
    if bucket:
        yield bucket


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor of which there may be only a part in each process (a `DTensor`)."""
    found: torch.Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return found


def _part(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """What of `tensor` this process has of `like`, on its device."""
    if not hasattr(like, "full_tensor"):
        return tensor.to(like.device)
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)
