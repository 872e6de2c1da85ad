"""Masking, permutation, pairs, mixing, curricula: pure functions of (records, seed, epoch)."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.text import Span, split_sentences
from core.training.data.batches import BucketedBatches, PackedBatches
from core.training.data.curriculum import curriculum, given_difficulties
from core.training.data.masking import (
    MaskedBatches,
    MaskingRule,
    chinese_runs,
    mask_tokens,
    masked_texts,
    masking_rule,
    word_groups,
)
from core.training.data.mixing import MixedBatches, mixing_shares, quotas
from core.training.data.packing import UNTRAINED, pack
from core.training.data.permutation import PermutedBatches, permuted_example
from core.training.data.records import Labelled, PlainText
from core.training.data.sentence_pairs import next_sentence_pairs, sentence_order_pairs

RULE = MaskingRule(mask_id=4, replacements=np.arange(100, 200))


@given(st.lists(st.integers(-1, 12), min_size=1, max_size=60), st.integers(0, 9))
def test_whole_groups_are_hidden_and_nothing_else_changes(groups: list[int], seed: int) -> None:
    ids = np.arange(1000, 1000 + len(groups), dtype=np.int32)
    units = np.array(groups)
    masked = mask_tokens(ids, units, RULE, np.random.default_rng(seed))
    hidden = masked.labels != UNTRAINED
    assert not hidden[units < 0].any()
    assert all(len({bool(h) for h in hidden[units == unit]}) == 1 for unit in set(groups) if unit >= 0)
    assert (masked.labels[hidden] == ids[hidden]).all() and (masked.ids[~hidden] == ids[~hidden]).all()
    assert set(masked.ids[hidden]) <= {4, *range(100, 200), *ids[hidden].tolist()}
    free = int((units >= 0).sum())
    if free:
        largest = max(Counter(unit for unit in groups if unit >= 0).values())
        assert 1 <= hidden.sum() <= max(round(0.15 * free), largest)


def test_rates_are_those_of_bert() -> None:
    ids = np.full(200_000, 1000, dtype=np.int32)
    masked = mask_tokens(ids, np.arange(len(ids)), RULE, np.random.default_rng(0))
    hidden = masked.labels != UNTRAINED
    assert hidden.mean() == pytest.approx(0.15, abs=1e-4)
    assert (masked.ids[hidden] == 4).mean() == pytest.approx(0.8, abs=0.01)
    assert (masked.ids[hidden] == 1000).mean() == pytest.approx(0.1, abs=0.01)


def test_words_are_whole_in_both_languages(encoder_tokenizer: Any) -> None:
    text = "The newer cards. 新的信用卡"
    encoded = encoder_tokenizer(text, return_offsets_mapping=True)
    pieces = encoder_tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    groups = word_groups(text, encoded["offset_mapping"])
    words: dict[int, str] = {}
    for piece, group in zip(pieces, groups.tolist(), strict=True):
        words[group] = words.get(group, "") + piece.removeprefix("##")
    assert [words[n] for n in sorted(words) if n >= 0] == ["the", "newer", "cards", ".", *"新的信用卡"]
    assert words[-1] == "[CLS][SEP]"
    at = text.index("信用卡")
    joined = word_groups(text, encoded["offset_mapping"], lambda _: [Span(at, at + 3)])
    assert len(set(joined[-4:-1].tolist())) == 1 and len(set(joined.tolist())) == len(set(groups.tolist())) - 2


def test_chinese_runs_join_one_to_four_neighbours() -> None:
    text = "卡片费用是多少" * 400 + "x" + "信用"
    offsets = [(n, n + 1) for n in range(len(text))]
    groups = word_groups(text, offsets)
    runs = chinese_runs(text, offsets, groups, np.random.default_rng(0))
    _, sizes = np.unique(runs, return_counts=True)
    shares = np.bincount(sizes, minlength=5)[1:] / len(sizes)
    assert len(shares) == 4 and np.abs(shares - [0.4, 0.3, 0.2, 0.1]).max() < 0.05
    assert (np.diff(runs) >= 0).all(), "a run is of neighbours"
    latin = text.index("x")
    assert (runs == runs[latin]).sum() == 1


def test_masked_batches_are_pure_lose_no_text_and_change_by_epoch(encoder_tokenizer: Any) -> None:
    records = [PlainText(text="the new card is high . " * 20), PlainText(text="新的信用卡费用是多少。" * 6)]
    texts = masked_texts(records, encoder_tokenizer, 16)
    assert max(len(text.ids) for text in texts) <= 16
    assert sum(int((text.groups >= 0).sum()) for text in texts) == 120 + 66
    rule = masking_rule(encoder_tokenizer)
    assert not set(rule.replacements) & set(encoder_tokenizer.all_special_ids)
    one, two = (MaskedBatches(texts, rule, 3, seed=1) for _ in range(2))
    for index in reversed(range(len(one))):
        for name, tensor in one.batch(2, index).items():
            assert (tensor == two.batch(2, index)[name]).all()
    assert (one.example(0, 0).labels != one.example(0, 1).labels).any()
    with pytest.raises(InputError, match="no mask token"):
        masking_rule(type("Plain", (), {"mask_token_id": None}))


@given(st.integers(1, 24), st.integers(0, 5), st.integers(0, 3))
def test_permutation_masks_follow_the_order(length: int, seed: int, epoch: int) -> None:
    ids = np.arange(50, 50 + length, dtype=np.int32)
    fixed = np.zeros(length, dtype=bool)
    fixed[0] = True
    example = permuted_example(ids, fixed, 4, seed=seed, epoch=epoch, item=0, share=0.4)
    count = len(example.ids) - length
    assert count == (max(1, round(0.4 * (length - 1))) if length > 1 else 0)
    assert sorted(example.rank.tolist()) == list(range(length))
    targets = example.positions[length:]
    assert (example.labels[length:] == ids[targets]).all() and (example.labels[:length] == UNTRAINED).all()
    assert (example.ids[length:] == 4).all()
    if count:
        assert example.rank[targets].min() == length - count, "the last of the order are predicted"
    for query in range(length + count):
        place = int(example.positions[query])
        for key in range(length + count):
            if key >= length:
                expected = query == key
            elif query >= length:
                expected = bool(example.rank[key] < example.rank[place])
            else:
                expected = bool(example.rank[key] <= example.rank[place])
            assert bool(example.allowed[query, key]) == expected


@pytest.mark.parametrize("kind", ["tiny_decoder", "tiny_encoder"])
def test_no_prediction_sees_what_it_predicts_or_what_comes_later(kind: str, request: pytest.FixtureRequest) -> None:
    import torch

    model = request.getfixturevalue(kind)

    ids = np.arange(20, 32, dtype=np.int32)
    fixed = np.zeros(12, dtype=bool)
    batches = PermutedBatches([ids], [fixed], mask_id=4, batch_size=1, seed=0)
    batch = batches.batch(0, 0)
    example = permuted_example(ids, fixed, 4, seed=0, epoch=0, item=0)

    def logits(input_ids: Any) -> Any:
        with torch.no_grad():
            return model(
                input_ids=input_ids, attention_mask=batch["attention_mask"], position_ids=batch["position_ids"]
            ).logits[0]

    before = logits(batch["input_ids"])
    for place in range(12):
        changed = batch["input_ids"].clone()
        changed[0, place] = 200
        after = logits(changed)
        for query in range(12, before.shape[0]):
            earlier = example.rank[place] < example.rank[int(example.positions[query])]
            moved = float((after[query] - before[query]).abs().max())
            assert (moved > 1e-4) if earlier else (moved < 1e-5)


TEXTS = [
    PlainText(text=" ".join(f"Sentence {name} of number {n} stands here." for n in range(6)))
    for name in ("a", "b", "c")
] + [PlainText(text="甲说了第一句。乙说了第二句。丙说了第三句。")]


def test_next_sentences_are_half_true() -> None:
    pairs = [pair for epoch in range(40) for pair in next_sentence_pairs(TEXTS, seed=0, epoch=epoch)]
    assert Counter(p.label for p in pairs)["next"] / len(pairs) == pytest.approx(0.5, abs=0.06)
    owner = {s.of(r.text): n for n, r in enumerate(TEXTS) for s in split_sentences(r.text)}
    for pair in pairs:
        assert (owner[pair.first] == owner[pair.second]) == (pair.label == "next")
    assert next_sentence_pairs(TEXTS, seed=0, epoch=3) == next_sentence_pairs(TEXTS, seed=0, epoch=3)
    assert next_sentence_pairs(TEXTS, seed=0, epoch=3) != next_sentence_pairs(TEXTS, seed=0, epoch=4)
    with pytest.raises(InputError, match="two texts"):
        next_sentence_pairs(TEXTS[:1], seed=0, epoch=0)


def test_sentence_order_pairs_are_neighbours() -> None:
    pairs = sentence_order_pairs(TEXTS, seed=0, epoch=0)
    assert len(pairs) == 5 * 3 + 2
    for pair in pairs:
        text = next(r.text for r in TEXTS if pair.first in r.text)
        assert (text.index(pair.first) < text.index(pair.second)) == (pair.label == "ordered")
    with pytest.raises(InputError, match="two sentences"):
        sentence_order_pairs([PlainText(text="One alone.")], seed=0, epoch=0)


@given(st.lists(st.integers(1, 500), min_size=1, max_size=6), st.floats(0.3, 50))
def test_shares_follow_the_temperature(sizes: list[int], temperature: float) -> None:
    shares = mixing_shares(sizes, temperature)
    assert shares.sum() == pytest.approx(1)
    expected = np.array([size ** (1 / temperature) for size in sizes])
    assert shares == pytest.approx(expected / expected.sum())
    total = sum(sizes) + len(sizes)
    given_steps = quotas(shares, total)
    assert given_steps.sum() == total and given_steps.min() >= 1
    assert np.abs(given_steps - shares * total).max() <= len(sizes)


def tasks(sizes: dict[str, int]) -> dict[str, BucketedBatches]:
    """Tasks of one-token sequences whose token says which item it is."""
    return {
        name: BucketedBatches([np.array([n], dtype=np.int32) for n in range(size)], np.arange(size), 2, seed=7)
        for name, size in sizes.items()
    }


def test_mixed_batches_are_pure_and_go_through_each_task_evenly() -> None:
    mixed = MixedBatches(tasks({"large": 40, "small": 6}), seed=1, temperature=3.0)
    assert len(mixed) == 23
    seen: dict[str, Counter[int]] = {"large": Counter(), "small": Counter()}
    for epoch in range(6):
        numbers = [int(mixed.batch(epoch, index)["task"]) for index in range(len(mixed))]
        assert numbers == mixed.plan(epoch).tolist()
        assert np.bincount(numbers).tolist() == mixed.shares().tolist()
        for index in reversed(range(len(mixed))):
            batch = mixed.batch(epoch, index)
            seen[mixed.names[int(batch["task"])]].update(batch["labels"].tolist())
    for counts in seen.values():
        assert max(counts.values()) - min(counts.values()) <= 1, "no item is met twice before all are met once"
    assert mixed.shares()[1] > MixedBatches(tasks({"large": 40, "small": 6}), seed=1).shares()[1]
    for wrong in (0.0, -1.0):
        with pytest.raises(InputError, match="temperature"):
            MixedBatches(tasks({"a": 4}), seed=0, temperature=wrong).shares()


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=60), st.integers(0, 4), st.integers(1, 12))
def test_a_curriculum_goes_from_easy_to_hard(values: list[float], seed: int, stages: int) -> None:
    order = curriculum(values, seed=seed, epochs=2, stages=stages)
    for epoch in range(4):
        places = order(epoch)
        assert sorted(places.tolist()) == list(range(len(values)))
        assert (order(epoch) == places).all()
    cut = np.array_split(np.array(values)[order(1)], stages)
    filled = [stage for stage in cut if len(stage)]
    assert all(a.max() <= b.min() for a, b in pairwise(filled))


def test_a_curriculum_orders_batches_and_refuses_what_has_no_order() -> None:
    ids = [np.arange(n, dtype=np.int32) for n in range(2, 42)]
    rows = pack(ids, [np.ones(len(row), dtype=bool) for row in ids], 42)
    lengths = rows.row_values(np.array([len(row) for row in ids], dtype=np.float64))
    assert lengths[0] == np.mean([len(ids[document]) for document in rows.rows[0]])
    order = curriculum(-np.arange(len(rows)), seed=0, stages=5)
    batches = PackedBatches(rows, 2, seed=0, order=order)
    for index in range(len(batches)):
        chosen = order(0)[2 * index : 2 * index + 2]
        assert (batches.batch(0, index)["input_ids"].numpy() == rows.arrays(chosen)["input_ids"]).all()
    assert order(0)[:4].min() >= len(rows) - 5
    for wrong in ([1.0, float("nan")], []):
        with pytest.raises(InputError):
            curriculum(wrong, seed=0)
    with pytest.raises(InputError, match="no difficulty"):
        given_difficulties([Labelled(text="a", label="x")])
    assert given_difficulties([Labelled(text="a", label="x", difficulty=2.0)]).tolist() == [2.0]
