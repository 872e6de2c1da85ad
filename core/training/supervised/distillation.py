"""A small model learns what a larger one expects of each next token (Hinton et al. 2015, "Distilling the knowledge").

The two are compared token by token, so they must share a vocabulary. Rows of hidden states go through both output
matrices in pieces, and again in the backward pass, so that full logits of neither model are ever held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from core.errors import InputError
from core.models.loading import LoadedModel
from core.training.config import Config
from core.training.data.packing import UNTRAINED
from core.training.supervised.causal import hidden_states
from core.training.supervised.objective import Batch, Tally
from core.training.token_logprobs import chosen_logprobs

if TYPE_CHECKING:
    import torch

Direction = Literal["forward", "reverse"]
_PIECE_NUMBERS = 2**22
"""Logits of a piece: 16 MiB in float32, for each of the two models."""


class DistillationConfig(Config):
    """How to learn from a teacher.

    Attributes:
        temperature: of both distributions; above 1 the small probabilities count for more.
        soft: the weight of the teacher; the rest goes to the tokens that stand in the data.
        direction: "forward" KL(teacher ‖ student) covers all the teacher would say, "reverse" KL(student ‖ teacher)
            keeps the student from what the teacher would not say (Gu et al. 2024, "MiniLLM", section 2).
    """

    temperature: float = Field(2.0, gt=0)
    soft: float = Field(0.9, ge=0, le=1)
    direction: Direction = "forward"


@dataclass(frozen=True, slots=True, eq=False)
class DistillationObjective:
    """For each labelled token: ``soft · T² · KL + (1 - soft) · cross-entropy``. Made by `distillation`.

    T² keeps the gradient's size whatever the temperature (Hinton et al., section 2.1, after equation 4).
    """

    teacher: Any
    config: DistillationConfig
    name: str = "distillation"

    def targets(self, batch: Batch) -> int:
        return int((batch["labels"][:, 1:] != UNTRAINED).sum())

    def tally(self, model: Any, batch: Batch) -> Tally:
        import torch

        config = self.config
        labels = batch["labels"][:, 1:]
        places = torch.nonzero(labels != UNTRAINED, as_tuple=True)
        hidden = hidden_states(model, batch)[:, :-1][places]  # (N, H)
        with torch.no_grad():
            wanted = hidden_states(self.teacher, batch)[:, :-1][places]
        student, teacher = model.get_output_embeddings(), self.teacher.get_output_embeddings()
        divergence = divergence_of(
            hidden, student, wanted, teacher, temperature=config.temperature, direction=config.direction
        )
        logprobs, _ = chosen_logprobs(hidden, student.weight, labels[places], bias=getattr(student, "bias", None))
        hard = -logprobs.sum()
        loss = config.soft * config.temperature**2 * divergence + (1 - config.soft) * hard
        return Tally(loss, len(logprobs), {"kl": float(divergence.detach()), "cross_entropy": float(hard.detach())})


def distillation(student: LoadedModel, teacher: LoadedModel, config: DistillationConfig) -> DistillationObjective:
    """The objective by which `student` learns from `teacher`, which is frozen.

    Raises:
        InputError: the two do not share a vocabulary, or are one model.
    """
    check_same_vocabulary(student, teacher)
    if student.model is teacher.model:
        raise InputError("Student and teacher are one model in memory.", hint="Load the teacher by itself.")
    teacher.model.requires_grad_(False).eval()
    return DistillationObjective(teacher.model, config)


def check_same_vocabulary(student: LoadedModel, teacher: LoadedModel) -> None:
    """Raises `InputError` where a token's id means different things to the two."""
    mine, theirs = student.tokenizer.get_vocab(), teacher.tokenizer.get_vocab()
    differing = sorted(token for token in mine.keys() | theirs.keys() if mine.get(token) != theirs.get(token))
    if differing:
        raise InputError(
            f"'{student.name}' and '{teacher.name}' have different vocabularies: {len(differing):,} tokens differ, "
            f"e.g. '{differing[0]}'.",
            hint="Choose a teacher of the same family, or let it write the responses (sequence-level distillation).",
        )


def divergence_of(
    hidden: torch.Tensor,
    student: Any,
    wanted: torch.Tensor,
    teacher: Any,
    *,
    temperature: float,
    direction: Direction = "forward",
) -> torch.Tensor:
    """The sum over rows of the divergence between softmax(logits / temperature) of student and teacher.

    Args:
        hidden, wanted: ``(N, H)`` states of each; the teacher's get no gradient.
        student, teacher: their output layers. Where one has more rows (some models round up), those beyond the
            other's stand for no token and are left out.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    words = min(student.weight.shape[0], teacher.weight.shape[0])
    rows = max(1, _PIECE_NUMBERS // words)

    def piece(own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        q = (_logits(own, student, words) / temperature).log_softmax(dim=-1)
        with torch.no_grad():
            p = (_logits(other, teacher, words) / temperature).log_softmax(dim=-1)
        first, second = (p, q) if direction == "forward" else (q, p)
        return (first.exp() * (first - second)).sum()

    total = hidden.new_zeros((), dtype=torch.float32)
    for start in range(0, len(hidden), rows):
        part = slice(start, start + rows)
        total = total + checkpoint(piece, hidden[part], wanted[part], use_reentrant=False)
    return total


def _logits(hidden: torch.Tensor, layer: Any, words: int) -> torch.Tensor:
    """``(n, words)`` float32."""
    logits: torch.Tensor = (hidden @ layer.weight[:words].T).float()
    bias = getattr(layer, "bias", None)
    return logits if bias is None else logits + bias[:words]
