"""The processes that train together. Each draws and learns from its share; all see all rewards and sum their gradients,
so that several processes do what one would have done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from core.errors import ConfigError, InputError, TriviumError
from core.training.faults import FaultElsewhere

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
_WAIT_HOURS = 12


class Team(Protocol):
    """`size` processes; this one is number `rank`, and number 0 is the one that writes.

    Attributes:
        sharding: "" where each process has all weights, "fsdp2" or "deepspeed" where they are in parts over them.
    """

    @property
    def rank(self) -> int: ...

    @property
    def sharding(self) -> str: ...

    @property
    def size(self) -> int: ...

    def gather(self, mine: Sequence[T]) -> list[T]:
        """What all processes have, in the order of their ranks; the same for each of them."""
        ...

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum of this tensor over all processes, on its device; the same for each of them."""
        ...


class Alone:
    """A single process."""

    rank = 0
    size = 1
    sharding = ""

    def gather(self, mine: Sequence[T]) -> list[T]:
        return list(mine)

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor


class Accelerated:
    """The processes of an `accelerate launch`. Raises `InputError` for FSDP in its first version."""

    def __init__(self, accelerator: Any) -> None:
        self.accelerator = accelerator
        self.sharding = {"FSDP": "fsdp2", "DEEPSPEED": "deepspeed"}.get(accelerator.distributed_type.value, "")
        if self.sharding == "fsdp2" and not accelerator.is_fsdp2:
            raise InputError("FSDP is supported in version 2.", hint="Set fsdp_version: 2 in the configuration.")
        self.rank = int(accelerator.process_index)
        self.size = int(accelerator.num_processes)

    def gather(self, mine: Sequence[T]) -> list[T]:
        from accelerate.utils import gather_object

        found: list[T] = gather_object(list(mine))
        return found

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        summed: torch.Tensor = self.accelerator.reduce(tensor.to(self.accelerator.device), reduction="sum")
        return summed.to(tensor.device)


def current_team() -> Team:
    """The team this process was launched in; `Alone` outside of `accelerate launch`.

    Raises:
        ConfigError: accelerate would let each process train alone, or not shard: it does what its configuration says
            on GPUs only, and on CPUs without a word something else.
    """
    import os

    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Alone()
    import torch
    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs

    # the first process measures and saves while the others wait; one that dies ends them all, by accelerate
    group = InitProcessGroupKwargs(timeout=timedelta(hours=_WAIT_HOURS))
    if os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true" and not torch.accelerator.is_available():
        group.backend = "gloo"  # DeepSpeed works on CPUs; accelerate only has to be told what they talk by
    team = Accelerated(Accelerator(kwargs_handlers=[group]))
    leave_at_exit()
    if team.sharding == "deepspeed":
        from transformers.integrations.deepspeed import unset_hf_deepspeed_config

        unset_hf_deepspeed_config()  # else ZeRO-3 has transformers put every model in parts, even one measured alone
    sharding = any(os.environ.get(f"ACCELERATE_USE_{kind}") == "true" for kind in ("FSDP", "DEEPSPEED"))
    if team.size != size or (sharding and not team.sharding):
        what = "not put the weights in parts" if team.size == size else f"let each of {size} processes train alone"
        raise ConfigError(
            f"The launch configuration does not work on this machine: accelerate would {what}.",
            hint="Without GPUs, launch with --config ddp-cpu.",
        )
    return team


def leave_at_exit() -> None:
    """End this process's part in its team before the interpreter goes: threads of gloo that outlive it now and
    then abort a process whose work is done. Those of NCCL do not, and would wait here for a process that failed.
    """
    import atexit

    from torch import distributed

    def leave() -> None:
        if distributed.is_initialized() and distributed.get_backend() == "gloo":
            distributed.destroy_process_group()

    atexit.register(leave)


def share(items: Sequence[T], team: Team) -> list[T]:
    """Every `team.size`-th item, from `team.rank` on."""
    return list(items[team.rank :: team.size])


def gathered(team: Team, work: Callable[[], Sequence[T]]) -> list[T]:
    """What `work` gives in all processes, in the order of their ranks.

    Raises:
        TriviumError: what `work` raised here.
        FaultElsewhere: `work` raised a `TriviumError` in another process; nobody is left waiting for it.
    """
    if team.size == 1:
        return list(work())
    mine: list[T] = []
    fault: TriviumError | None = None
    try:
        mine = list(work())
    except TriviumError as error:
        fault = error
    outcomes = team.gather([(mine, None if fault is None else (fault.message, fault.hint))])
    if fault is not None:
        raise fault
    for rank, (_, told) in enumerate(outcomes):
        if told is not None:
            raise FaultElsewhere(rank, *told)
    return [item for items, _ in outcomes for item in items]


def by_first(team: Team, work: Callable[[], T]) -> T:
    """What `work` gives in process 0, which alone does it while the others wait. Raises as `gathered` does."""
    return gathered(team, lambda: [work()] if team.rank == 0 else [])[0]


def summed(team: Team, sums: Mapping[str, float]) -> dict[str, float]:
    """Sums by name over all processes, some of which may lack some names."""
    if team.size == 1:
        return dict(sums)
    totals: dict[str, float] = {}
    for part in team.gather([dict(sums)]):
        for name, value in part.items():
            totals[name] = totals.get(name, 0.0) + value
    return dict(sorted(totals.items()))
