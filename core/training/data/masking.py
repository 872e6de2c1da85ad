"""Masked-language-model examples: which tokens are hidden, and what stands in their place.

Devlin et al. 2019, "BERT", section 3.1: 15 % of the tokens are to be predicted; of these 80 % are replaced by the mask,
10 % by a random token, 10 % stay. Whole words are hidden together (`word_groups`); for Chinese, where a token is often
a character, so are runs of characters with the lengths of Cui et al. 2020, "Revisiting pre-trained models for Chinese
NLP", section 4.1 (40, 30, 20, 10 % for one to four), or the words of a segmenter given by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.text import Span
from core.training.data.batches import check_index, pad_batch, shuffled
from core.training.data.draws import generator
from core.training.data.packing import UNTRAINED, Ids
from core.training.data.records import PlainText

if TYPE_CHECKING:
    import torch

Segmenter = Callable[[str], Sequence[Span]]
"""Finds the words of a text."""
Groups = npt.NDArray[np.int64]
"""For each token, the number of the unit it is hidden with; -1 for tokens that are never hidden."""

RATE = 0.15
MASKED_SHARE, RANDOM_SHARE = 0.8, 0.1
_RUN_LENGTHS = (0.4, 0.3, 0.2, 0.1)
_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+(?:['’][^\W_{_HAN}]+)*|[^\w\s]|_")


@dataclass(frozen=True, slots=True)
class Masked:
    """A sequence as the model sees it and, where something is to be predicted, what; `UNTRAINED` elsewhere."""

    ids: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MaskingRule:
    """What a tokenizer's vocabulary says about hiding tokens.

    Attributes:
        replacements: ids a random token is drawn from: the vocabulary without special tokens.
    """

    mask_id: int
    replacements: npt.NDArray[np.int64]
    rate: float = RATE

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1:
            raise InputError(f"A masking rate of {self.rate:g} is not between 0 and 1.")


def masking_rule(tokenizer: Any, *, rate: float = RATE) -> MaskingRule:
    """The rule for a tokenizer. Raises `InputError` for one without a mask token."""
    if tokenizer.mask_token_id is None:
        raise InputError(
            "The tokenizer has no mask token.", hint="Use an encoder such as BERT, or causal pretraining instead."
        )
    special = np.array(sorted(set(tokenizer.all_special_ids)), dtype=np.int64)
    return MaskingRule(int(tokenizer.mask_token_id), np.setdiff1d(np.arange(len(tokenizer)), special), rate)


def word_groups(text: str, offsets: Sequence[tuple[int, int]], segmenter: Segmenter | None = None) -> Groups:
    """Which word of `text` each token belongs to, by the tokens' character offsets.

    Words are runs of letters or digits, single marks and single Chinese characters; with a `segmenter`, its words where
    it finds any. Tokens without characters (special tokens) get -1. A token over several words goes with the first.
    """
    words = [Span(*found.span()) for found in _WORD.finditer(text)]
    if segmenter is not None:
        longer = list(segmenter(text))
        words = sorted([*longer, *(word for word in words if not any(word.overlaps(other) for other in longer))])
    owner = np.full(len(text), -1, dtype=np.int64)
    for number, word in enumerate(words):
        owner[word.start : word.end] = number
    groups = np.full(len(offsets), -1, dtype=np.int64)
    for place, (start, end) in enumerate(offsets):
        owned = owner[start:end]
        owned = owned[owned >= 0]
        if len(owned):
            groups[place] = owned[0]
    return groups


def chinese_runs(text: str, offsets: Sequence[tuple[int, int]], groups: Groups, draw: np.random.Generator) -> Groups:
    """`groups` with neighbouring Chinese characters joined to runs of one to four, drawn anew for each epoch."""
    joined = groups.copy()
    left, current = 0, -1
    previous_end, previous_group = -1, -1
    for place, (start, end) in enumerate(offsets):
        group = groups[place]
        if group < 0:
            left = 0
            continue
        chinese = "\u3400" <= text[start:end].strip()[:1] <= "\ufaff"
        if chinese and group != previous_group and left and start == previous_end:
            joined[place] = current
            left -= 1
        elif chinese and group != previous_group:
            left = int(draw.choice(len(_RUN_LENGTHS), p=_RUN_LENGTHS))
            current = int(group)
        elif chinese:
            joined[place] = current
        else:
            left = 0
        previous_end, previous_group = end, int(group)
    return joined


def mask_tokens(ids: Ids, groups: Groups, rule: MaskingRule, draw: np.random.Generator) -> Masked:
    """Hide whole groups until `rule.rate` of the tokens that may be hidden are, rounded, and at least one.

    A group that would overshoot is left out, unless it is the first: so the number hidden is at most one group over.
    """
    labels = np.full(len(ids), UNTRAINED, dtype=np.int64)
    seen = np.array(ids, dtype=np.int32)
    open_to = np.flatnonzero(groups >= 0)
    if not len(open_to):
        return Masked(seen, labels)
    wanted = max(1, round(rule.rate * len(open_to)))
    numbers, members = np.unique(groups[open_to], return_inverse=True)
    sizes = np.bincount(members)
    chosen: list[int] = []
    count = 0
    for unit in draw.permutation(len(numbers)).tolist():
        if count and count + sizes[unit] > wanted:
            continue
        chosen.append(unit)
        count += int(sizes[unit])
        if count >= wanted:
            break
    hidden = open_to[np.isin(members, chosen)]
    labels[hidden] = seen[hidden]
    fate = draw.random(len(hidden))
    seen[hidden[fate < MASKED_SHARE]] = rule.mask_id
    swapped = hidden[(fate >= MASKED_SHARE) & (fate < MASKED_SHARE + RANDOM_SHARE)]
    seen[swapped] = draw.choice(rule.replacements, size=len(swapped))
    return Masked(seen, labels)


@dataclass(frozen=True, slots=True, eq=False)
class MaskedText:
    """A piece of text ready for masking: ids with special tokens, character offsets, groups."""

    text: str
    ids: Ids
    offsets: tuple[tuple[int, int], ...]
    groups: Groups


def masked_texts(
    records: Sequence[PlainText], tokenizer: Any, max_tokens: int, *, segmenter: Segmenter | None = None
) -> list[MaskedText]:
    """Texts cut into pieces of at most `max_tokens` tokens, special tokens included; nothing of a text is left out."""
    if not tokenizer.is_fast:
        raise InputError("Whole-word masking needs a tokenizer that tells character offsets.", hint="Choose another.")
    pieces: list[MaskedText] = []
    for record in records:
        encoded = tokenizer(
            record.text,
            truncation=True,
            max_length=max_tokens,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )
        rows = zip(encoded["input_ids"], encoded["offset_mapping"], encoded["special_tokens_mask"], strict=True)
        for row, offsets, special in rows:
            groups = word_groups(record.text, offsets, segmenter)
            groups[np.asarray(special, dtype=bool)] = -1
            pieces.append(MaskedText(record.text, np.array(row, dtype=np.int32), tuple(offsets), groups))
    return pieces


@dataclass(frozen=True, slots=True, eq=False)
class MaskedBatches:
    """Batches of masked texts; in every epoch others of their tokens are hidden. Keys as in `BucketedBatches`.

    Args:
        join_chinese: hide runs of Chinese characters, see `chinese_runs`; superfluous with a segmenter.
    """

    texts: Sequence[MaskedText]
    rule: MaskingRule
    batch_size: int
    seed: int
    pad_id: int = 0
    join_chinese: bool = True

    def __len__(self) -> int:
        return -(-len(self.texts) // self.batch_size)

    def batch(self, epoch: int, index: int) -> dict[str, torch.Tensor]:
        check_index(index, len(self))
        order = shuffled(len(self.texts), self.seed, epoch)
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
        masked = {int(item): self.example(int(item), epoch) for item in chosen}
        batch = pad_batch(
            [masked[int(item)].ids for item in chosen],
            [masked[int(item)].labels for item in chosen],
            np.arange(len(chosen)),
            self.pad_id,
        )
        import torch

        return {**batch, "items": torch.from_numpy(np.ascontiguousarray(chosen))}

    def example(self, item: int, epoch: int) -> Masked:
        """Text `item` as it is masked in `epoch`."""
        text = self.texts[item]
        draw = generator(self.seed, "mask", epoch, item)
        groups = chinese_runs(text.text, text.offsets, text.groups, draw) if self.join_chinese else text.groups
        return mask_tokens(text.ids, groups, self.rule, draw)
