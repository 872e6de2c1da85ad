"""Splits: stable, grouped, stratified; nothing like a held-out record in training."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.training.data.near_duplicates import NearPair, near_duplicates
from core.training.data.records import Chat, Labelled, Preference, Record, Turn
from core.training.data.repeats import drop_leaks, drop_near_repeats, drop_repeats
from core.training.data.splits import Fractions, assign_splits, group_of, settle_given


def labelled(count: int, *, groups: int | None = None, labels: int = 3) -> list[Labelled]:
    return [
        Labelled(text=f"text {n}", label=f"label {n % labels}", group=None if groups is None else f"g{n % groups}")
        for n in range(count)
    ]


@given(st.integers(1, 80), st.integers(1, 80), st.integers(0, 5), st.booleans())
def test_adding_records_or_shuffling_moves_none(old: int, new: int, seed: int, grouped: bool) -> None:
    records = labelled(old + new, groups=20 if grouped else None)
    before = dict(zip((r.id for r in records[:old]), assign_splits(records[:old], Fractions(), seed=seed), strict=True))
    mixed = list(reversed(records))
    after = dict(zip((r.id for r in mixed), assign_splits(mixed, Fractions(), seed=seed), strict=True))
    assert all(after[name] == split for name, split in before.items())


@given(st.integers(2, 120), st.integers(1, 30), st.booleans(), st.integers(0, 3))
def test_a_group_never_straddles(count: int, groups: int, stratify: bool, seed: int) -> None:
    records = labelled(count, groups=groups)
    splits = assign_splits(records, Fractions(0.2, 0.3), seed=seed, stratify=stratify)
    placed: dict[str | None, set[str]] = {}
    for record, split in zip(records, splits, strict=True):
        placed.setdefault(record.group, set()).add(split)
    assert all(len(found) == 1 for found in placed.values())


def test_shares_by_hash_and_by_stratum() -> None:
    records = labelled(3000)
    drawn = Counter(assign_splits(records, Fractions(0.1, 0.2)))
    assert drawn["test"] == pytest.approx(600, abs=90) and drawn["validation"] == pytest.approx(300, abs=70)
    exact = assign_splits(records, Fractions(0.1, 0.2), stratify=True)
    for label in ("label 0", "label 1", "label 2"):
        counts = Counter(split for record, split in zip(records, exact, strict=True) if record.label == label)
        assert counts == {"train": 700, "validation": 100, "test": 200}


@given(st.lists(st.integers(1, 4), min_size=1, max_size=30))
def test_every_stratum_has_something_to_train_on(sizes: list[int]) -> None:
    records = [Labelled(text=f"{n} {k}", label=f"{n}") for n, size in enumerate(sizes) for k in range(size)]
    splits = assign_splits(records, Fractions(0.4, 0.5), stratify=True)
    trained = {record.label for record, split in zip(records, splits, strict=True) if split == "train"}
    assert trained == {record.label for record in records}


def test_the_same_prompt_is_one_group() -> None:
    prompt = (Turn("user", "The fee?"),)
    chats = [Chat(turns=(*prompt, Turn("assistant", answer))) for answer in ("1 EUR", "2 EUR")]
    preference = Preference(prompt=prompt, chosen="1", rejected="2")
    assert len({group_of(record) for record in (*chats, preference)}) == 1


def test_given_splits_are_kept_and_what_is_missing_is_drawn() -> None:
    records = [Labelled(text=f"{n}", label="x", split="test" if n < 20 else "train") for n in range(200)]
    settled, notes = settle_given(records)
    splits = assign_splits(settled, Fractions(0.1, 0.4))
    assert not notes and splits[:20] == ["test"] * 20
    assert Counter(splits)["test"] == 20 and 5 < Counter(splits)["validation"] < 40


@pytest.mark.parametrize("only", ["train", "test"])
def test_a_lone_given_split_is_split_anew_and_said_so(only: str) -> None:
    settled, notes = settle_given([Labelled(text=f"{n}", label="x", split=only) for n in range(50)])
    assert {record.split for record in settled} == {None} and only in notes[0]


def test_shares_that_leave_nothing_are_refused() -> None:
    for wrong in ((0.5, 0.5), (-0.1, 0.2)):
        with pytest.raises(InputError, match="leave nothing"):
            Fractions(*wrong)


def test_repeats_and_contradictions() -> None:
    a, again = Labelled(text="a", label="x"), Labelled(text="a", label="x", group="other")
    b, against = Labelled(text="b", label="x"), Labelled(text="b", label="y")
    kept, (repeats, contradictions) = drop_repeats([a, again, b, against, Labelled(text="c", label="x")])
    assert kept == [a, Labelled(text="c", label="x")]
    assert (repeats.before - repeats.after, contradictions.before - contradictions.after) == (1, 2)
    prompt = (Turn("user", "q"),)
    swapped = [
        Preference(prompt=prompt, chosen="a", rejected="b"),
        Preference(prompt=prompt, chosen="b", rejected="a"),
        Preference(prompt=prompt, chosen="a", rejected="c"),
    ]
    assert drop_repeats(swapped)[0] == swapped[2:]


def test_a_given_test_set_stays_whole() -> None:
    records = [
        Labelled(text="a", label="x", split="train"),
        Labelled(text="a", label="y", split="test"),
        Labelled(text="a", label="y", split="test"),
        Labelled(text="a", label="y", split="validation"),
        Labelled(text="b", label="y", split="train"),
    ]
    kept, steps = drop_repeats(records)
    assert kept == [records[1], records[2], records[4]]
    assert dict(steps[0].found) == {"also in a given validation or test set": 2}


def test_near_repeats_need_the_same_annotation_and_the_like_answers() -> None:
    text = "How do I find out what the fee for a withdrawal abroad is?"
    records: list[Record] = [
        Labelled(text=text, label="fee"),
        Labelled(text=text + "!!", label="fee"),
        Labelled(text=text + " ", label="abroad"),
    ]
    pairs = near_duplicates([r.texts()[0] for r in records], 0.8)
    kept, step = drop_near_repeats(records, pairs, 0.8)
    assert kept == [0, 2] and (step.before, step.after) == (3, 2)
    chats: list[Record] = [
        Chat(turns=(Turn("user", text), Turn("assistant", answer)))
        for answer in ("It is one euro a withdrawal.", "There is none at all, use it.", "It is one euro a withdrawal!")
    ]
    pairs = near_duplicates([r.fields()[0] for r in chats], 0.8)
    assert drop_near_repeats(chats, pairs, 0.8)[0] == [0, 1]


def test_a_chain_of_small_changes_is_not_eaten_up() -> None:
    records = [Labelled(text=f"{n}", label="x") for n in range(3)]
    chain = [NearPair(0, 1, 0.9), NearPair(1, 2, 0.9)]
    assert drop_near_repeats(records, chain, 0.8)[0] == [0, 2]


def test_nothing_like_a_held_out_record_stays_in_training() -> None:
    texts = [
        f"What is the fee of the {name} card in the {place}?"
        for name in ("gold", "silver", "blue")
        for place in ("north", "south", "north west", "south east")
    ] * 5
    records = [Labelled(text=text + str(n), label=f"{n % 2}", group=f"g{n % 17}") for n, text in enumerate(texts)]
    splits = assign_splits(records, Fractions(0.2, 0.2), seed=3)
    pairs = near_duplicates([record.text for record in records], 0.8)
    staying, step = drop_leaks(records, splits, pairs)
    left = [(records[place], splits[place]) for place in staying]
    again = near_duplicates([record.text for record, _ in left], 0.8)
    assert pairs and all(left[pair.first][1] == left[pair.second][1] for pair in again)
    assert Counter(splits)["test"] == sum(split == "test" for _, split in left), "held-out records are never dropped"
    assert step.before - step.after > 0


def test_a_given_group_that_straddles_leaves_training() -> None:
    records = [
        Labelled(text="one", label="x", group="g", split="train"),
        Labelled(text="two", label="x", group="g", split="test"),
        Labelled(text="three", label="x", group="h", split="train"),
    ]
    staying, step = drop_leaks(records, ["train", "test", "train"], [])
    assert staying == [1, 2] and dict(step.found)["group of a held-out record"] == 1
