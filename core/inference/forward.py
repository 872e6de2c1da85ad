"""Which way a model runs: `StaticForward` on a CUDA GPU, else `SharedPrefixForward`; where these are not for it,
`PlainForward` or `UncachedForward`.

On first use a way is compared with the model's own forward pass; where they differ, the model goes the next way from
then on, with a warning.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from core.config import settings
from core.inference.plain import PlainForward
from core.inference.shared_prefix import SharedPrefixForward
from core.inference.static_forward import StaticForward
from core.inference.static_runs import CudaGraphs, Runner
from core.inference.uncached import UncachedForward, last_logits

if TYPE_CHECKING:
    import torch

    from core.inference.rows import Prefix
    from core.models.adapter_set import Holding

_CHECK_TOLERANCE = {"float32": 5e-3, "bfloat16": 0.3, "float16": 0.1}
"""Largest relative difference of logits put down to rounding.

Twice what the attention implementations of transformers differ by among themselves on the catalogue's models (0.0014 in
float32, 0.15 in bfloat16), or more. A wrong mask or position gives about 1.
"""


class Continuation(Protocol):
    """Rows under way. `logits` ``(B, V)`` says what comes next."""

    logits: torch.Tensor

    def advance(self, tokens: Sequence[int], rows: Sequence[int]) -> None:
        """Go on with `rows`, in this order, the i-th of them with `tokens[i]` appended."""
        ...


class JoinableContinuation(Continuation, Protocol):
    """Rows that others may join while they are under way."""

    def join(self, prefix: Prefix, logits: torch.Tensor, group: Sequence[int]) -> None:
        """Add rows after those that are there, the i-th of them with prompt `group[i]` of `prefix`.

        Args:
            logits: what follows each prompt, ``(U, V)`` float32.
        """
        ...


class Forward(Protocol):
    """A way to run the model."""

    def start(self, prompts: Sequence[list[int]], copies: Sequence[int]) -> Continuation:
        """Rows for prompts, `copies[i]` rows for prompt i, one prompt's after the other's."""
        ...

    def score(self, pairs: Sequence[tuple[list[int], list[int]]]) -> list[list[float]]:
        """Log-probability of each token of the second of a pair, after the first."""
        ...


def shared_prefix_limit(model: Any) -> int | None:
    """How many tokens prompt and completion may have together to go the fast way; 0 if it is not for this model.

    Past the window of sliding attention the plain way is right, since our rows keep and see everything.
    """
    config = model.config.get_text_config(decoder=True)
    kinds = set(getattr(config, "layer_types", None) or ())
    if not getattr(model, "_supports_attention_backend", False) or kinds - {"full_attention", "sliding_attention"}:
        return 0
    window = getattr(config, "sliding_window", None)
    slides = "sliding_attention" in kinds or (not kinds and bool(window))
    return int(window) if slides and window else None


def differs_from_model(forward: Forward, model: Any, device: str, dtype: str) -> str:
    """Why `forward` must not be used: how its logits differ from the model's own; empty if they do not.

    Three prompts with a common beginning, of two lengths, one of them twice, go four steps; on the way rows leave, and
    one is continued twice.
    """
    import torch

    vocabulary = model.config.get_text_config(decoder=True).vocab_size
    numbers = [int(value) for value in torch.randint(vocabulary, (24,), generator=torch.Generator().manual_seed(0))]
    prompts = [numbers[:20], numbers[:18] + numbers[20:23], numbers[:17]]
    texts = [prompts[0], prompts[0], prompts[1], prompts[2]]
    worst = 0.0
    try:
        rows = forward.start(prompts, [2, 1, 1])
        for keep in ([0, 1, 2, 3], [0, 3, 2], [0, 1, 2], [2, 2]):
            worst = max(worst, _relative_difference(rows.logits, last_logits(model, texts, device)))
            tokens = [numbers[(3 * row + len(texts[row])) % len(numbers)] for row in keep]
            texts = [[*texts[row], token] for row, token in zip(keep, tokens, strict=True)]
            rows.advance(tokens, keep)
        worst = max(worst, _relative_difference(rows.logits, last_logits(model, texts, device)))
    except (RuntimeError, TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    limit = _CHECK_TOLERANCE[dtype]
    return "" if worst <= limit else f"logits differ by {worst:.2g} of their spread; {limit:g} is allowed"


def _relative_difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    spread = (expected - expected.mean(dim=-1, keepdim=True)).norm(dim=-1)
    worst: float = ((found - expected).norm(dim=-1) / spread).max().item()
    return worst if worst == worst else float("inf")  # not a number compares false with any limit


class ForwardChoice:
    """The way a model goes, decided on first use.

    Args:
        turn: held while the model runs, in any way; keeps an adapter in force for that time.
        runner: of the static way's steps; default: CUDA graphs on a CUDA GPU unless the settings turn them off. Without
            a runner there is no static way.
    """

    def __init__(
        self,
        model: Any,
        device: str,
        dtype: str,
        padding: int,
        name: str,
        turn: Holding | None = None,
        runner: Runner | None = None,
    ) -> None:
        self._model, self._device, self._dtype, self._name = model, device, dtype, name
        self._turn = cast(Any, turn or threading.RLock())
        self._fast = SharedPrefixForward(model, device, self._turn)
        self._plain = PlainForward(model, padding=padding, device=device, turn=self._turn)
        self._uncached = UncachedForward(model, device, self._turn)
        self._limit = shared_prefix_limit(model)
        if runner is None and device.startswith("cuda") and settings().cuda_graphs == "auto":
            runner = CudaGraphs()
        self._static = StaticForward(model, device, self._turn, runner=runner, name=name) if runner else None
        self._decided = threading.Lock()
        self._right: dict[str, bool] = {}  # of each way that was looked at

    def for_length(self, tokens: int) -> Forward:
        """The way for prompts that grow to `tokens` with their completions."""
        with self._decided:
            within = self._limit is None or tokens <= self._limit
            if within and (static := self._static_way()):
                return static
            if within and self._agrees("the fast way", self._fast, "the plain way, which is slower"):
                return self._fast
            if self._agrees("the plain way", self._plain, "without a cache, which is very slow"):
                return self._plain
            return self._uncached

    def _static_way(self) -> StaticForward | None:
        """None where there is none, where it differs, and once a step has failed, which warns by itself."""
        if self._static and not self._agrees("the static way", self._static, "without recorded steps"):
            self._static = None
        if self._static and self._static.failure:
            self._static = None
        return self._static

    def _agrees(self, way: str, forward: Forward, instead: str) -> bool:
        if way not in self._right:
            with self._turn:  # the model's own way is looked at, too
                reason = differs_from_model(forward, self._model, self._device, self._dtype)
            self._right[way] = not reason
            if reason:
                warnings.warn(f"'{self._name}' is run {instead}: {reason}.", RuntimeWarning, stacklevel=4)
        return self._right[way]
