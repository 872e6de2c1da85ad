"""Packing: as full as first-fit decreasing, and each document's loss what it is alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.training.data.batches import BucketedBatches, PackedBatches, shuffled
from core.training.data.packing import (
    UNTRAINED,
    additive_mask,
    block_causal_mask,
    causal_blocks,
    first_fit_decreasing,
    pack,
)


def plain_first_fit(lengths: list[int], capacity: int) -> list[list[int]]:
    bins: list[list[int]] = []
    for item in sorted(range(len(lengths)), key=lambda item: -lengths[item]):
        for held in bins:
            if sum(lengths[i] for i in held) + lengths[item] <= capacity:
                held.append(item)
                break
        else:
            bins.append([item])
    return bins


@given(st.lists(st.integers(1, 30), max_size=60))
def test_first_fit_decreasing_equals_the_plain_one(lengths: list[int]) -> None:
    assert first_fit_decreasing(lengths, 30) == plain_first_fit(lengths, 30)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60))
def test_every_item_is_in_one_bin_and_bins_hold(lengths: list[int]) -> None:
    bins = first_fit_decreasing(lengths, 30)
    assert sorted(item for held in bins for item in held) == list(range(len(lengths)))
    assert all(sum(lengths[item] for item in held) <= 30 for held in bins)
    assert len(bins) <= 11 / 9 * -(-sum(lengths) // 30) * 2  # far from one item a bin
    with pytest.raises(InputError, match="does not fit"):
        first_fit_decreasing([*lengths, 31], 30)


def documents(count: int, seed: int, longest: int = 12) -> tuple[list[np.ndarray], list[np.ndarray]]:
    draw = np.random.default_rng(seed)
    ids = [draw.integers(0, 250, draw.integers(2, longest)).astype(np.int32) for _ in range(count)]
    learnt = [draw.random(len(row)) < 0.6 for row in ids]
    for mask in learnt:
        mask[-1] = True
    return ids, learnt


def test_positions_restart_and_the_first_token_has_no_label() -> None:
    ids, _ = documents(9, seed=0)
    rows = pack(ids, [np.ones(len(row), dtype=bool) for row in ids], 16, pad_id=7)
    arrays = rows.arrays(np.arange(len(rows)))
    for row, held in enumerate(rows.rows):
        for segment, document in enumerate(held, start=1):
            places = np.flatnonzero(arrays["segment_ids"][row] == segment)
            assert (arrays["input_ids"][row, places] == ids[document]).all()
            assert (arrays["position_ids"][row, places] == np.arange(len(places))).all()
            assert arrays["labels"][row, places[0]] == UNTRAINED
            assert (arrays["labels"][row, places[1:]] == ids[document][1:]).all()
        padding = arrays["segment_ids"][row] == 0
        assert (arrays["labels"][row, padding] == UNTRAINED).all() and (arrays["input_ids"][row, padding] == 7).all()


def test_the_mask_is_causal_within_a_document_alone() -> None:
    import torch

    segments = torch.tensor([[1, 1, 2, 2, 0, 0]])
    allowed = block_causal_mask(segments)[0, 0]
    for query in range(6):
        for key in range(6):
            same = segments[0, query] == segments[0, key] != 0 and key <= query
            assert bool(allowed[query, key]) == (bool(same) or query == key)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_packed_row_gives_each_document_the_loss_it_has_alone(tiny_decoder: Any, attention: str) -> None:
    import torch

    tiny_decoder.set_attn_implementation(attention)
    ids, learnt = documents(11, seed=1)
    rows = pack(ids, learnt, 24)
    assert max(map(len, rows.rows)) > 1
    batches = PackedBatches(rows, rows_per_batch=3, seed=0)
    packed: dict[int, list[float]] = {}
    order = shuffled(len(rows), 0, 0)
    with torch.no_grad():
        for index in range(len(batches)):
            batch = batches.batch(0, index)
            mask = batch["attention_mask"]
            if attention == "eager":
                mask = additive_mask(mask, torch.float32)
            logits = tiny_decoder(
                input_ids=batch["input_ids"], attention_mask=mask, position_ids=batch["position_ids"]
            ).logits
            losses = torch.nn.functional.cross_entropy(
                logits[:, :-1].transpose(1, 2), batch["labels"][:, 1:], ignore_index=UNTRAINED, reduction="none"
            )
            for row, number in enumerate(order[index * 3 : index * 3 + 3]):
                for segment, document in enumerate(rows.rows[number], start=1):
                    chosen = (batch["segment_ids"][row, 1:] == segment) & (batch["labels"][row, 1:] != UNTRAINED)
                    packed[document] = losses[row][chosen].tolist()
        for document, (row_ids, mask) in enumerate(zip(ids, learnt, strict=True)):
            logits = tiny_decoder(input_ids=torch.from_numpy(row_ids.astype(np.int64))[None]).logits[0]
            alone = torch.nn.functional.cross_entropy(
                logits[:-1], torch.from_numpy(row_ids[1:].astype(np.int64)), reduction="none"
            )[torch.from_numpy(mask[1:])]
            assert packed[document] == pytest.approx(alone.tolist(), abs=1e-5)
    tiny_decoder.set_attn_implementation("sdpa")


def test_batches_are_pure_and_an_epoch_meets_every_row_once() -> None:
    ids, learnt = documents(40, seed=2)
    batches = PackedBatches(pack(ids, learnt, 24), rows_per_batch=4, seed=3)
    first = [batches.batch(1, index)["input_ids"] for index in range(len(batches))]
    again = PackedBatches(pack(ids, learnt, 24), rows_per_batch=4, seed=3)
    for index in reversed(range(len(batches))):  # asked in another order, by another object
        assert (again.batch(1, index)["input_ids"] == first[index]).all()
    assert not all(
        a.shape == b["input_ids"].shape and bool((a == b["input_ids"]).all())
        for a, b in zip(first, (batches.batch(2, i) for i in range(len(batches))), strict=True)
    )
    learnt_tokens = {
        e: sum(int((batches.batch(e, i)["labels"] >= 0).sum()) for i in range(len(batches))) for e in (0, 1)
    }
    assert learnt_tokens[0] == learnt_tokens[1] == sum(int(mask[1:].sum()) for mask in learnt)
    for wrong in (-1, len(batches)):
        with pytest.raises(IndexError):
            batches.batch(0, wrong)


@given(st.integers(1, 70), st.integers(1, 9), st.integers(0, 4), st.integers(0, 3))
def test_buckets_meet_every_sequence_once(count: int, size: int, seed: int, epoch: int) -> None:
    ids, _ = documents(count, seed=seed, longest=40)
    batches = BucketedBatches(ids, np.arange(count), size, seed, pool_batches=3)
    items = batches.items(epoch)
    assert len(items) == len(batches)
    assert sorted(int(item) for batch in items for item in batch) == list(range(count))
    index = seed % len(batches)
    batch = batches.batch(epoch, index)
    assert batch["items"].tolist() == batch["labels"].tolist() == items[index].tolist()
    for row, item in enumerate(batch["items"].tolist()):
        kept = batch["attention_mask"][row].bool()
        assert batch["input_ids"][row][kept].tolist() == ids[item].tolist()


def test_buckets_pad_less_than_chance() -> None:
    ids, _ = documents(400, seed=5, longest=200)

    def padded(pool_batches: int) -> int:
        batches = BucketedBatches(ids, np.zeros(400, dtype=np.int64), 8, 0, pool_batches=pool_batches)
        return sum(int((batches.batch(0, i)["attention_mask"] == 0).sum()) for i in range(len(batches)))

    assert padded(50) < 0.1 * padded(1)


def test_causal_blocks_lose_nothing_but_lone_end_marks() -> None:
    ids, _ = documents(20, seed=6, longest=50)
    rows = causal_blocks(ids, end_id=255, max_tokens=16)
    assert max(len(row) for row in rows.ids) <= 16
    joined = np.concatenate(rows.ids)
    lone = sum((len(row) + 1) % 16 == 1 for row in ids)
    assert len(joined) == sum(len(row) + 1 for row in ids) - lone
    assert joined[joined != 255].tolist() == np.concatenate(ids).tolist()
    with pytest.raises(InputError, match="at least two"):
        causal_blocks(ids, 255, 1)


def test_wrong_sizes_are_refused() -> None:
    ids, learnt = documents(3, seed=7)
    with pytest.raises(InputError):
        PackedBatches(pack(ids, learnt, 24), rows_per_batch=0, seed=0)
    with pytest.raises(InputError, match="labels for 2"):
        BucketedBatches(ids, np.zeros(2, dtype=np.int64), 2, 0)
