"""AdamW over float32 master weights, whatever the model computes in.

A step of a small learning rate is below the resolution of bfloat16; the masters keep it. The model's own tensors are
written from them after each step. Parameters in float32 are their own masters. A large parameter is
stepped chunk by chunk on a CPU: its gradient in float32 never exists as a whole, and stays in the processor's cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field

from core.errors import InputError
from core.training.config import Config
from core.training.team import Alone, Team

if TYPE_CHECKING:
    import torch

_CHUNK_NUMBERS = 2**20
"""Stepped together: 4 MiB of gradients in float32."""
_BUCKET_NUMBERS = 2**24
"""Gradients are summed over processes so many numbers at a time: 64 MiB."""


class OptimiserConfig(Config):
    """How to step. `schedule` says how the learning rate goes down to 0 after the warm-up, or that it stays."""

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
        self._moments: dict[str, _Moments] = {}

    def step(self, rate: float) -> float:
        """One step at learning rate `rate`; the norm of the gradient before it was clipped.

        A norm that is not finite changes nothing; the caller decides.
        """
        import torch

        grads = {name: one.grad for name, one in self._parameters.items() if one.grad is not None}
        if self._team.size > 1:
            grads = self._summed()
        with torch.no_grad():
            norm = _norm(list(grads.values()))
            if math.isfinite(norm):
                scale = min(1.0, self.config.max_grad_norm / (norm + 1e-6))
                for name, grad in grads.items():
                    self._step(name, grad, rate, scale)
        self.forget()
        return norm

    def forget(self) -> None:
        """Drop the gradients there are."""
        for parameter in self._parameters.values():
            parameter.grad = None

    def _step(self, name: str, grad: torch.Tensor, rate: float, scale: float) -> None:
        """One parameter, with its gradient times `scale`."""
        import torch
        from torch.optim.adamw import adamw

        parameter, master = self._parameters[name], self._masters[name]
        if name not in self._moments:
            first, second = (torch.zeros_like(master, requires_grad=False) for _ in range(2))
            self._moments[name] = _Moments(first, second, torch.zeros((), device=master.device))
        first, second, steps = self._moments[name]
        for weights, part, one, two, own in _chunks(master, grad, first, second, parameter):
            part = part.float() if scale == 1 else part.float() * scale
            if part.stride() != weights.stride():  # the fused kernel takes both as they lie in memory
                part = torch.empty_like(weights).copy_(part)
            adamw(
                [weights],
                [part],
                [one],
                [two],
                [],
                [steps.clone()],
                fused=True,
                amsgrad=False,
                beta1=self.config.beta1,
                beta2=self.config.beta2,
                lr=rate,
                weight_decay=self.config.weight_decay,
                eps=self.config.epsilon,
                maximize=False,
            )
            if master is not parameter:
                own.copy_(weights)
        steps += 1

    def _summed(self) -> dict[str, torch.Tensor]:
        """Gradients in float32, summed over the processes. One whose share was empty, or passed a weight by, has none
        and counts as 0."""
        import torch

        here = torch.tensor([float(one.grad is not None) for one in self._parameters.values()])
        counts = self._team.total(here).tolist()
        learning = [name for name, count in zip(self._parameters, counts, strict=True) if count]
        grads: dict[str, torch.Tensor] = {}
        for bucket in _buckets({name: self._parameters[name].numel() for name in learning}):
            shapes = {name: self._parameters[name].shape for name in bucket}
            parts = [self._gradient(name).flatten() for name in bucket]
            flat = self._team.total(torch.cat(parts))
            split = flat.split([shape.numel() for shape in shapes.values()])
            grads |= {name: part.view(shapes[name]) for name, part in zip(bucket, split, strict=True)}
        return grads

    def _gradient(self, name: str) -> torch.Tensor:
        grad = self._parameters[name].grad
        master = self._masters[name]
        return master.new_zeros(master.shape) if grad is None else grad.float()

    def state(self) -> dict[str, torch.Tensor]:
        """Masters and moments by name, for a checkpoint."""
        tensors = {f"master/{name}": _whole(master.detach()) for name, master in self._masters.items()}
        for name, (first, second, steps) in self._moments.items():
            tensors[f"steps/{name}"] = steps.reshape(1).clone()
            tensors |= {f"exp_avg/{name}": _whole(first), f"exp_avg_sq/{name}": _whole(second)}
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
                    first, second = (
                        _part(tensors[f"{moment}/{name}"], master).clone() for moment in ("exp_avg", "exp_avg_sq")
                    )
                    steps = tensors[f"steps/{name}"].reshape(()).to(master.device, copy=True)
                    self._moments[name] = _Moments(first, second, steps)


class _Moments(NamedTuple):
    """AdamW's of one parameter, and how many steps it took."""

    first: torch.Tensor
    second: torch.Tensor
    steps: torch.Tensor


def _norm(tensors: Sequence[torch.Tensor]) -> float:
    """Of all numbers together, added up in float32 chunk by chunk."""
    import torch

    if any(hasattr(tensor, "full_tensor") for tensor in tensors):
        return float(_whole(torch.nn.utils.get_total_norm(tensors)))
    flat = (part.float().flatten() for tensor in tensors for (part,) in _chunks(tensor))
    squares = [torch.dot(part, part) for part in flat]
    return float(torch.stack(squares).sum().sqrt()) if squares else 0.0


def _chunks(*tensors: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """Views of tensors of one shape that go through all their numbers together; of a `DTensor`, its part here."""
    local = [tensor.to_local() if hasattr(tensor, "to_local") else tensor for tensor in tensors]
    count = local[0].numel()
    if local[0].device.type != "cpu" or not all(tensor.is_contiguous() for tensor in local):
        yield tuple(local)
        return
    flat = [tensor.view(-1) for tensor in local]
    for start in range(0, count, _CHUNK_NUMBERS):
        yield tuple(tensor[start : start + _CHUNK_NUMBERS] for tensor in flat)


def _buckets(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    bucket: list[str] = []
    numbers = 0
    for name, size in sizes.items():
        if bucket and numbers + size > _BUCKET_NUMBERS:
            yield bucket
            bucket, numbers = [], 0
        bucket.append(name)
        numbers += size
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
