"""The next token, where there is a label: instruction tuning on responses, and continued pretraining on text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.models.family import first_position
from core.training.data.packing import UNTRAINED
from core.training.narrow_casts import narrow_casts
from core.training.supervised.objective import Batch, Tally
from core.training.token_logprobs import chosen_logprobs

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class CausalObjective:
    """Negative log-probability of each labelled token given those before it.

    Logits are computed at labelled places only; prompts and padding cost no output matrix.
    """

    name: str = "causal"

    def targets(self, batch: Batch) -> int:
        return int((batch["labels"][:, 1:] != UNTRAINED).sum())

    def tally(self, model: Any, batch: Batch) -> Tally:
        import torch

        labels = batch["labels"][:, 1:]
        places = torch.nonzero(labels != UNTRAINED, as_tuple=True)
        hidden = hidden_states(model, batch)[:, :-1][places]  # (N, H)
        chosen = labels[places]
        head = model.get_output_embeddings()
        logprobs, entropies = chosen_logprobs(hidden, head.weight, chosen, bias=getattr(head, "bias", None))
        return Tally(-logprobs.sum(), len(chosen), {"entropy": float(entropies.detach().sum())})


def hidden_states(model: Any, batch: Batch) -> torch.Tensor:
    """``(B, T, H)``: the last layer's states of a decoder or encoder.

    A plain mask ``(B, T)`` means texts padded on the right, whose positions the model counts itself. A mask of our own
    ``(B, 1, T, T)`` comes with positions from 0, to which RoBERTa and its like add where theirs begin.
    """
    trunk = model.base_model
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask", "token_type_ids") if key in batch}
    if batch["attention_mask"].dim() == 4 and "position_ids" in batch:
        inputs["position_ids"] = batch["position_ids"] + first_position(
            trunk.config.model_type, getattr(trunk.config, "pad_token_id", None) or 0
        )
    cache = {"use_cache": False} if hasattr(trunk.config, "use_cache") else {}
    with narrow_casts():
        states: torch.Tensor = trunk(**inputs, **cache).last_hidden_state
    return states
