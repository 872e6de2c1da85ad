"""Classes of texts, of pairs of texts and of tokens: a linear head on a trunk's states.

The trunk is an encoder or a decoder; a text is its states' mean, its first state, or its last (for a decoder, the only
one that has seen all of it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.models.embedder import pool
from core.training.data.packing import UNTRAINED
from core.training.seeds import seeded
from core.training.supervised.causal import hidden_states
from core.training.supervised.objective import Batch, Tally

if TYPE_CHECKING:
    import torch

Reading = Literal["mean", "cls", "last", "tokens"]
"""Which states a class is read from; "tokens" gives each token one."""
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True, slots=True)
class ClassObjective:
    """Cross-entropy of the labelled texts or tokens, for a model made by `with_class_head`.

    Attributes:
        separator: the id that parts two texts, for trunks that were taught which of two a token is of; else None.
        class_weights: one a class, see `balanced_weights`; empty for 1 each.
        head: which head of the model.
    """

    reading: Reading
    separator: int | None = None
    class_weights: tuple[float, ...] = ()
    head: str = "head"
    name: str = "classes"

    def targets(self, batch: Batch) -> int:
        return int((batch["labels"] != UNTRAINED).sum())

    def tally(self, model: Any, batch: Batch) -> Tally:
        import torch
        from torch.nn.functional import cross_entropy

        wanted = batch["labels"] != UNTRAINED
        logits = self.logits(model, batch)[wanted]  # (N, C)
        truth = batch["labels"][wanted]
        weights = torch.tensor(self.class_weights, device=logits.device) if self.class_weights else None
        loss = cross_entropy(logits, truth, weight=weights, reduction="sum")
        hits = int((logits.detach().argmax(dim=-1) == truth).sum())
        return Tally(loss, len(truth), {"accuracy": float(hits)})

    def logits(self, model: Any, batch: Batch) -> torch.Tensor:
        """``(B, C)`` float32 of texts, or ``(B, T, C)`` of tokens."""
        logits: torch.Tensor = model[self.head](self.features(model, batch))
        return logits

    def features(self, model: Any, batch: Batch) -> torch.Tensor:
        """``(B, H)`` float32 of texts, or ``(B, T, H)`` of tokens: what the head is given."""
        if self.separator is not None:
            batch = {**batch, "token_type_ids": text_numbers(batch, self.separator)}
        return read_states(hidden_states(model["trunk"], batch), batch["attention_mask"], self.reading).float()


@dataclass(frozen=True, slots=True)
class ClassSetObjective(ClassObjective):
    """Binary cross-entropy of each class of each text; `class_weights` multiply those that are there."""

    name: str = "class sets"

    def tally(self, model: Any, batch: Batch) -> Tally:
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits

        logits = self.logits(model, batch)  # (B, C)
        truth = batch["labels"].float()
        weights = torch.tensor(self.class_weights, device=logits.device) if self.class_weights else None
        loss = binary_cross_entropy_with_logits(logits, truth, pos_weight=weights, reduction="sum")
        hits = int(((logits.detach() > 0) == (truth > 0)).sum())
        return Tally(loss, truth.numel(), {"accuracy": float(hits)})


def with_class_head(trunk: Any, classes: int, *, seed: int, dropout: float = 0.1, head: str = "head") -> Any:
    """A torch module of two parts, "trunk" (`trunk` itself) and "head": a shift and scale of what the trunk gives (see
    `standardise`), dropout, and a linear layer, in float32.

    The layer's first weights are those of BERT: normal with deviation 0.02, no bias.
    """
    import torch

    with seeded(seed, head):
        linear = torch.nn.Linear(trunk.config.hidden_size, classes)
        torch.nn.init.normal_(linear.weight, std=0.02)
        torch.nn.init.zeros_(linear.bias)
    layers = torch.nn.Sequential(_shift()(trunk.config.hidden_size), torch.nn.Dropout(dropout), linear).to(trunk.device)
    model = torch.nn.ModuleDict({"trunk": trunk, head: layers}).eval()
    model.config = trunk.config  # type: ignore[assignment]
    return model


def standardise(model: Any, objective: ClassObjective, batch: Batch) -> None:
    """Let the head begin with features of mean 0 and deviation 1 over `batch`; shift and scale then learn with it.

    Sentence encoders such as E5 put all states into a narrow cone far from 0, in which a head learns little but the
    frequencies of its classes.
    """
    import torch

    with torch.no_grad():
        found = objective.features(model, batch)
        found = found[batch["attention_mask"] > 0] if objective.reading == "tokens" else found  # (N, H)
        first = model[objective.head][0]
        first.mean.copy_(found.mean(dim=0))
        first.scale.fill_(1 / max(float((found - first.mean).square().mean().sqrt()), _LEAST_SPREAD))


@cache
def _shift() -> Any:
    """The module's class, made on first use: torch is not imported for a `--help`."""
    import torch

    class Shift(torch.nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.mean = torch.nn.Parameter(torch.zeros(width))
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return (features - self.mean) * self.scale

    return Shift


def balanced_weights(labels: Sequence[int], classes: int) -> tuple[float, ...]:
    """Weights in inverse proportion to the classes' frequency, with mean 1 over the examples.

    Raises:
        InputError: a class has no example.
    """
    counts = Counter(labels)
    missing = [number for number in range(classes) if not counts[number]]
    if missing:
        raise InputError(f"Class {missing[0]} of {classes} has no example to weigh.", hint="Leave the class out.")
    return tuple(len(labels) / (classes * counts[number]) for number in range(classes))


def balanced_set_weights(labels: npt.NDArray[np.integer]) -> tuple[float, ...]:
    """For ``(n, C)`` classes that are there or not: how many texts lack a class for each that has it."""
    there = labels.sum(axis=0)
    return tuple(float(weight) for weight in (len(labels) - there) / np.maximum(there, 1))


def separator_of(tokenizer: Any, config: Any) -> int | None:
    """The separator where the trunk has embeddings for first and second text (BERT), else None."""
    two = getattr(config, "type_vocab_size", 0) == 2 and "token_type_ids" in tokenizer.model_input_names
    return int(tokenizer.sep_token_id) if two and tokenizer.sep_token_id is not None else None


def text_numbers(batch: Batch, separator: int) -> torch.Tensor:
    """``(B, T)``: 0 for the first text with its separator, 1 for what follows, 0 for padding."""
    ends = (batch["input_ids"] == separator).long()
    return ((ends.cumsum(dim=1) - ends > 0) & (batch["attention_mask"] > 0)).long()


def read_states(states: torch.Tensor, mask: torch.Tensor, reading: Reading) -> torch.Tensor:
    """``(B, H)`` of states ``(B, T, H)`` and mask ``(B, T)``; all of them for "tokens"."""
    import torch

    if reading == "tokens":
        return states
    if reading == "last":
        return states[torch.arange(len(states), device=states.device), mask.sum(dim=1) - 1]
    return pool(states, mask, reading)
