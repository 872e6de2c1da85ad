"""Ways to run a step of static shapes: as it is, or recorded as a CUDA graph; and which weights such a record reads."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

_WARM_UP_RUNS = 2
"""Runs before recording, so that libraries have set up what they allocate and choose on first use."""


class Runner(Protocol):
    """Runs steps that read and write buffers which stay where they are; a step may be run more than once in place of
    one time, and must then do the same again."""

    def run(self, key: Hashable, step: Callable[[], None]) -> None:
        """Run `step`; steps of one key do the same with what is in the buffers now."""
        ...

    def forget(self) -> None:
        """Buffers or weights are no longer where they were."""
        ...


class Eagerly:
    """Runs each step as it is, on any device."""

    def run(self, _key: Hashable, step: Callable[[], None]) -> None:
        """See `Runner`."""
        step()

    def forget(self) -> None:
        """See `Runner`."""


class CudaGraphs:
    """Records a step once a key and plays it from then on: the processor launches one graph, not every kernel.

    Only for CUDA devices. Raises `RuntimeError` where a step cannot be recorded or memory is short.
    """

    def __init__(self) -> None:
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self._pool: Any = None

    def run(self, key: Hashable, step: Callable[[], None]) -> None:
        """See `Runner`."""
        if key not in self._graphs:
            self._graphs[key] = self._recorded(step)
        self._graphs[key].replay()

    def forget(self) -> None:
        """See `Runner`."""
        self._graphs.clear()
        self._pool = None

    def _recorded(self, step: Callable[[], None]) -> torch.cuda.CUDAGraph:
        import torch

        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UP_RUNS):
                step()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Graphs play one after the other and leave nothing but what is in the step's buffers: they share memory.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            step()
        if self._pool is None:
            self._pool = graph.pool()
        return graph


@dataclass(frozen=True, slots=True)
class WeightsInForce:
    """What a recorded step has taken from the model; weights that change where they are need no new record.

    Attributes:
        held: the weights, so that their memory is nobody else's while a record may read it.
        mark: where they lie, and the factors that peft's layers bring.
        adapter_layers: peft's layers.
    """

    held: tuple[torch.Tensor, ...]
    mark: Hashable
    adapter_layers: tuple[Any, ...]

    @classmethod
    def of(cls, model: Any) -> WeightsInForce:
        """Looks at every module: milliseconds, so once a batch."""
        held = tuple(weight.detach() for part in (model.parameters(), model.buffers()) for weight in part)
        layers = tuple(module for module in model.modules() if "_disable_adapters" in vars(module))
        factors = tuple(tuple(getattr(layer, "scaling", {}).items()) for layer in layers)
        return cls(held, (tuple(weight.data_ptr() for weight in held), factors), layers)

    def switches(self) -> Hashable:
        """Which adapters are in force now: each layer's state, quick enough for every step."""
        states = [vars(layer) for layer in self.adapter_layers]
        return tuple(
            (state["_disable_adapters"], str(state["_active_adapter"]), len(state.get("merged_adapters", ())))
            for state in states
        )
