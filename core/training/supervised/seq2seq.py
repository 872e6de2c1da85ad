"""Encoder-decoder models (T5, BART and their like): the decoder learns the answer, the encoder reads the question.

Both are written as `core.inference.seq2seq.Seq2SeqGenerator` reads and writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import InputError
from core.inference.chat_template import AUTO, ChatTokenizer
from core.models.loading import LoadedModel
from core.prompts.chat_formats import PLAIN
from core.training.data.batches import Order, check_index, pad_batch, shuffled
from core.training.data.chat_tokens import TokenCounts
from core.training.data.packing import UNTRAINED, Ids
from core.training.data.records import Chat, as_messages
from core.training.supervised.objective import Batch, Tally
from core.training.token_logprobs import chosen_logprobs

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Seq2SeqObjective:
    """Negative log-probability of each token of the answer given the question and the tokens before it.

    The batch's `labels` ``(B, T)`` are the answers; the model shifts them for its decoder in its own way.
    """

    name: str = "seq2seq"

    def targets(self, batch: Batch) -> int:
        return int((batch["labels"] != UNTRAINED).sum())

    def tally(self, model: Any, batch: Batch) -> Tally:
        import torch

        labels = batch["labels"]
        places = torch.nonzero(labels != UNTRAINED, as_tuple=True)
        hidden = decoder_states(model, batch)[places]  # (N, H)
        head = model.get_output_embeddings()
        bias = getattr(model, "final_logits_bias", None)  # BART's, a constant (1, V)
        logprobs, entropies = chosen_logprobs(
            hidden, head.weight, labels[places], bias=getattr(head, "bias", None) if bias is None else bias[0]
        )
        return Tally(-logprobs.sum(), len(logprobs), {"entropy": float(entropies.detach().sum())})


def decoder_states(model: Any, batch: Batch) -> torch.Tensor:
    """``(B, T, H)``: the decoder's states before each label, scaled as the output matrix takes them."""
    read = model.get_encoder()(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    output = model.get_decoder()(
        input_ids=model.prepare_decoder_input_ids_from_labels(labels=batch["labels"]),
        encoder_hidden_states=read.last_hidden_state,
        encoder_attention_mask=batch["attention_mask"],
        use_cache=False,
    )
    states: torch.Tensor = output.last_hidden_state
    return states * model.config.d_model**-0.5 if getattr(model.config, "scale_decoder_outputs", False) else states


@dataclass(frozen=True, slots=True, eq=False)
class Seq2SeqBatches:
    """Questions and answers as token ids, `batch_size` at a time: `input_ids`, `attention_mask`, `labels`, `items`."""

    sources: Sequence[Ids]
    targets: Sequence[Ids]
    batch_size: int
    seed: int
    pad_id: int = 0
    order: Order | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1 or len(self.sources) != len(self.targets):
            raise InputError("A batch has at least one question, and each question an answer.")

    def __len__(self) -> int:
        return -(-len(self.sources) // self.batch_size)

    def batch(self, epoch: int, index: int) -> dict[str, torch.Tensor]:
        check_index(index, len(self))
        order = self.order(epoch) if self.order else shuffled(len(self.sources), self.seed, epoch)
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
        nothing = np.full(len(self.sources), UNTRAINED, dtype=np.int64)
        answers = [ids.astype(np.int64) for ids in self.targets]
        read = pad_batch(self.sources, nothing, chosen, self.pad_id)
        written = pad_batch(self.targets, answers, chosen, self.pad_id)
        return {name: read[name] for name in ("input_ids", "attention_mask", "items")} | {"labels": written["labels"]}


@dataclass(frozen=True, slots=True, eq=False)
class Seq2SeqTokens:
    """Questions and answers as token ids, and what became of the records."""

    sources: Sequence[Ids]
    targets: Sequence[Ids]
    counts: TokenCounts


def seq2seq_tokens(
    records: Sequence[Chat], loaded: LoadedModel, *, max_source: int = 512, max_target: int = 128
) -> Seq2SeqTokens:
    """Conversations that end with an answer. A cut answer has no end mark, a cut question keeps its own.

    Raises:
        InputError: no record has an answer, or the tokenizer no mark that ends a text.
    """
    tokenizer = loaded.tokenizer
    chat = ChatTokenizer(tokenizer, chat_format=AUTO if tokenizer.chat_template else PLAIN.name)
    if tokenizer.eos_token_id is None:
        raise InputError(
            f"The tokenizer of '{loaded.name}' has no mark that ends a text.", hint="Choose another model."
        )
    forced = getattr(loaded.model.generation_config, "forced_bos_token_id", None)
    sources, targets, cut, truncated = [], [], 0, 0
    for record in records:
        if record.response is None:
            continue
        source = chat.prompt_ids(as_messages(record.prompt))
        target = [*([] if forced is None else [forced]), *chat.continuation_ids(record.response)]
        target.append(tokenizer.eos_token_id)
        lost = max(0, len(source) - max_source) + max(0, len(target) - max_target)
        truncated, cut = truncated + (lost > 0), cut + lost
        source = source if len(source) <= max_source else [*source[: max_source - 1], source[-1]]
        sources.append(np.array(source, dtype=np.int32))
        targets.append(np.array(target[:max_target], dtype=np.int32))
    if not sources:
        raise InputError(f"None of {len(records)} conversations has an answer.", hint="Prepare some that have.")
    learnt = sum(map(len, targets))
    total = learnt + sum(map(len, sources))
    counts = TokenCounts(len(records), len(sources), total, learnt, truncated, cut, len(records) - len(sources))
    return Seq2SeqTokens(sources, targets, counts)
