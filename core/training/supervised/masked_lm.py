"""The token that stands where a label does: hidden words (Devlin et al. 2019, BERT, section 3.1) and, with the batches
of `core.training.data.permutation`, words in a random order (Yang et al. 2019, XLNet).

Labels are not shifted. Logits are computed at labelled places only, a sixth of them or fewer.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.models.loading import LoadedModel
from core.training.data.packing import UNTRAINED
from core.training.seeds import seeded
from core.training.supervised.causal import hidden_states
from core.training.supervised.objective import Batch, Tally
from core.training.token_logprobs import chosen_logprobs

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class MaskedLMObjective:
    """Negative log-probability of each labelled token, read at its own place.

    The model is an encoder with a head for words or, for permutation batches, a decoder.
    """

    name: str = "masked_lm"

    def targets(self, batch: Batch) -> int:
        return int((batch["labels"] != UNTRAINED).sum())

    def tally(self, model: Any, batch: Batch) -> Tally:
        import torch

        places = torch.nonzero(batch["labels"] != UNTRAINED, as_tuple=True)
        hidden = before_output(model, hidden_states(model, batch)[places])  # (N, H)
        head = model.get_output_embeddings()
        logprobs, entropies = chosen_logprobs(
            hidden, head.weight, batch["labels"][places], bias=getattr(head, "bias", None)
        )
        return Tally(-logprobs.sum(), len(logprobs), {"entropy": float(entropies.detach().sum())})


def before_output(model: Any, states: torch.Tensor) -> torch.Tensor:
    """``(N, H)`` states of the last layer as the output matrix takes them: heads of encoders transform them first.

    Raises:
        InputError: a head of a form not known here.
    """
    from torch.nn.functional import gelu

    parts = {name for name, _ in model.named_children()}
    if "cls" in parts:  # BERT
        transformed = model.cls.predictions.transform(states)
    elif "lm_head" in parts and hasattr(model.lm_head, "dense"):  # RoBERTa
        transformed = model.lm_head.layer_norm(gelu(model.lm_head.dense(states)))
    elif "vocab_transform" in parts:  # DistilBERT
        transformed = model.vocab_layer_norm(model.activation(model.vocab_transform(states)))
    elif "decoder" in parts and "head" in parts:  # ModernBERT
        transformed = model.head(states)
    elif "lm_head" in parts:  # decoders
        return states
    else:
        raise InputError(
            f"The head of {type(model).__name__} is of no known form.",
            hint="Use a model of the BERT, RoBERTa, DistilBERT or ModernBERT family, or causal pretraining.",
        )
    result: torch.Tensor = transformed
    return result


def with_new_head(loaded: LoadedModel, *, seed: int) -> LoadedModel:
    """A bare encoder with a head for words that has learned nothing yet, its output matrix that of the input words.

    For sentence encoders, whose files have no head. The trunk is `loaded.model` itself and learns in place.
    """
    import transformers

    with seeded(seed, "masked-lm head"):
        model = transformers.AutoModelForMaskedLM.from_config(loaded.model.config, dtype=loaded.model.dtype)
    setattr(model, model.base_model_prefix, loaded.model)
    model.tie_weights()
    return dataclasses.replace(loaded, model=model.to(loaded.placement.device).eval())
