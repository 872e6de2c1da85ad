"""Supervised steps by DeepSpeed's ZeRO (Rajbhandari et al. 2020): stage 2 or 3, as the launch configuration says.

DeepSpeed owns the optimiser: AdamW of PyTorch over fp32 masters that it cuts into parts. Whole tensors go into
checkpoints, so that a run can go on with another number of processes, with FSDP2 or without any of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from core.training.optimiser import OptimiserConfig
from core.training.supervised.objective import Batch, Objective, Tally
from core.training.team import Accelerated

if TYPE_CHECKING:
    import torch

_MOMENTS = ("exp_avg", "exp_avg_sq")


class ZeroEngine:
    """A `core.training.supervised.engine.Engine`.

    Unlike elsewhere, a gradient that is not finite has changed the weights in memory by the time it is reported; those
    of the last checkpoint are intact.
    """

    sharded = True

    def __init__(
        self,
        model: Any,
        parameters: Mapping[str, torch.nn.Parameter],
        objective: Objective,
        config: OptimiserConfig,
        team: Accelerated,
    ) -> None:
        import torch

        from core.training.supervised.engine import objective_module

        self.config = config
        self._parameters, self._scale = dict(parameters), float(team.size)  # DeepSpeed averages over processes
        settings = team.accelerator.state.deepspeed_plugin.deepspeed_config
        settings["train_micro_batch_size_per_gpu"] = 1  # batches are ours; it has to be some number
        settings["gradient_clipping"] = config.max_grad_norm
        settings["bf16"] = {"enabled": next(iter(parameters.values())).dtype == torch.bfloat16}
        adam = torch.optim.AdamW(
            list(self._parameters.values()),
            lr=0.0,  # DeepSpeed makes a first, empty step for the moments to be there
            betas=(config.beta1, config.beta2),
            eps=config.epsilon,
            weight_decay=config.weight_decay,
        )
        self._engine, self._adam = team.accelerator.prepare(objective_module(model, objective), adam)
        self._set_steps(0.0)

    def tally(self, batch: Batch) -> Tally:
        return Tally(*self._engine(batch))

    def backward(self, loss: torch.Tensor, *, last: bool) -> None:
        self._engine.set_gradient_accumulation_boundary(last)
        self._engine.backward(loss * self._scale)

    def step(self, rate: float) -> float:
        """See `Optimiser.step`, and the class."""
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._engine.step()
        return float(self._engine.get_global_grad_norm())

    def forget(self) -> None:
        """Drop the gradients there are."""
        self._engine.optimizer.zero_grad()

    def state(self) -> dict[str, torch.Tensor]:
        """As `Optimiser.state`."""
        import torch
        from deepspeed.utils import safe_get_full_fp32_param, safe_get_full_optimizer_state

        steps = torch.tensor([max((float(each["step"]) for each in self._states()), default=0.0)])
        tensors: dict[str, torch.Tensor] = {}
        for name, parameter in self._parameters.items():
            tensors[f"master/{name}"] = safe_get_full_fp32_param(parameter).detach().clone()
            if steps > 0:
                tensors[f"steps/{name}"] = steps.clone()
                for moment in _MOMENTS:
                    tensors[f"{moment}/{name}"] = safe_get_full_optimizer_state(parameter, moment).detach().clone()
        return tensors

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """As `Optimiser.load`."""
        import torch
        from deepspeed.runtime.zero import GatheredParameters
        from deepspeed.utils import safe_set_full_fp32_param, safe_set_full_optimizer_state

        steps = 0.0
        for name, parameter in self._parameters.items():
            master = tensors[f"master/{name}"]
            safe_set_full_fp32_param(parameter, master.to(parameter.device))
            with torch.no_grad(), GatheredParameters([parameter], modifier_rank=0):
                parameter.copy_(master)
            for moment in _MOMENTS:
                found = tensors.get(f"{moment}/{name}", torch.zeros_like(master))
                safe_set_full_optimizer_state(parameter, found.to(parameter.device), moment)
            if f"steps/{name}" in tensors:
                steps = float(tensors[f"steps/{name}"])
        self._set_steps(steps)

    def _states(self) -> Iterator[dict[str, Any]]:
        """What AdamW keeps of each part."""
        return (each for each in self._engine.optimizer.optimizer.state.values() if "step" in each)

    def _set_steps(self, steps: float) -> None:
        for each in self._states():
            each["step"].fill_(steps)
