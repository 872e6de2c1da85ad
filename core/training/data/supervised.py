"""From prepared conversations to the batches of supervised fine-tuning, through the token cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import InputError
from core.progress import ProgressCallback
from core.training.data.batches import Order, PackedBatches
from core.training.data.chat_tokens import ChatEncoder, LearntAnswers, TokenCounts, chat_sequences
from core.training.data.packing import pack
from core.training.data.records import Chat, Record
from core.training.data.token_cache import cache_key, cached_sequences


@dataclass(frozen=True, slots=True, eq=False)
class SupervisedData:
    """Batches of packed conversations, what became of the records, and how full the rows are (0 to 1)."""

    batches: PackedBatches
    counts: TokenCounts
    fill: float


def supervised_batches(
    records: Sequence[Record],
    tokenizer: Any,
    model_type: str,
    *,
    max_tokens: int,
    rows_per_batch: int,
    seed: int,
    learnt_answers: LearntAnswers = "all",
    order: Order | None = None,
    progress: ProgressCallback | None = None,
) -> SupervisedData:
    """Packed batches of the conversations, each answer learnt or the last alone.

    Args:
        model_type: as in the model's `config.json`; it decides the chat format where the tokenizer has no template.
        max_tokens: width of a row, and the longest conversation that is not cut.

    Raises:
        InputError: records of another kind, or none with an answer.
    """
    chats = [record for record in records if isinstance(record, Chat)]
    if len(chats) < len(records) or not chats:
        kinds = ", ".join(sorted({record.kind for record in records})) or "no"
        raise InputError(f"There are {kinds} records where conversations are needed.", hint="Prepare chats.")
    encoder = ChatEncoder(tokenizer, model_type)
    options = {
        "kind": "chat",
        "format": encoder.chat.choice.name,
        "max_tokens": max_tokens,
        "learnt": learnt_answers,
    }
    key = cache_key((chat.id for chat in chats), tokenizer, options)
    sequences = cached_sequences(
        key, lambda: chat_sequences(chats, encoder, max_tokens, learnt_answers=learnt_answers, progress=progress)
    )
    rows = pack(sequences.ids, sequences.learnt, max_tokens, pad_id=encoder.chat.padding_id)
    return SupervisedData(PackedBatches(rows, rows_per_batch, seed, order), sequences.counts, rows.fill())
