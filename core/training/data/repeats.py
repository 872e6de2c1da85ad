"""Records that say the same, or contradict each other: dropped from training, never from a given test set.

Where a source states the splits, its test set stays as it is (figures published on it must stay comparable), its
validation set gives way to the test set, and training gives way to both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from core.training.data.cleaning import Step
from core.training.data.near_duplicates import NearPair, jaccard, shingles
from core.training.data.records import MultiLabelled, Record
from core.training.data.splits import group_of

_RANK = {"test": 0, "validation": 1, "train": 2, None: 2}


def drop_repeats(records: Sequence[Record]) -> tuple[list[Record], list[Step]]:
    """Exact duplicates reduced to the first; texts annotated in more than one way dropped altogether."""
    asked: dict[str, list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        asked[record.question()].append(place)
    repeated: set[int] = set()
    contradictory: set[int] = set()
    held_out = 0
    for places in asked.values():
        if len(places) == 1:
            continue
        best = min(_RANK[records[place].split] for place in places)
        first = [place for place in places if _RANK[records[place].split] == best]
        if best < _RANK["train"]:
            held_out += len(places) - len(first)
            repeated.update(set(places) - set(first))
        elif len({records[place].id for place in places}) > 1:
            contradictory.update(places)
        else:
            repeated.update(places[1:])
    without = [place for place in range(len(records)) if place not in repeated]
    kept = [records[place] for place in without if place not in contradictory]
    found = (("also in a given validation or test set", held_out),) if held_out else ()
    steps = [
        Step("exact duplicates", len(records), len(without), found=found),
        Step("contradictory annotation", len(without), len(kept)),
    ]
    return kept, steps


def drop_near_repeats(
    records: Sequence[Record], pairs: Sequence[NearPair], similarity: float
) -> tuple[list[int], Step]:
    """Places of the records that stay: of those alike in every field and annotated the same, the first.

    `pairs` are near-duplicates by the records' first field. A record goes only if it is like one that is kept, so a
    chain of small changes is not eaten up. Those of a given validation or test set stay; likeness across splits is a
    leak, and `drop_leaks` sees to it.
    """
    alike: dict[int, list[int]] = defaultdict(list)
    for pair in pairs:
        if _same_annotation(records[pair.first], records[pair.second]) and _rest_alike(
            records[pair.first], records[pair.second], similarity
        ):
            alike[pair.second].append(pair.first)
    dropped: set[int] = set()
    for place in range(len(records)):
        if _RANK[records[place].split] == _RANK["train"] and any(
            earlier not in dropped and records[earlier].split == records[place].split for earlier in alike[place]
        ):
            dropped.add(place)
    kept = [place for place in range(len(records)) if place not in dropped]
    return kept, Step("near-duplicates", len(records), len(kept))


def drop_leaks(records: Sequence[Record], splits: Sequence[str], pairs: Sequence[NearPair]) -> tuple[list[int], Step]:
    """Places of the records that may stay in their split.

    Out go records of training that are like one of validation or test in their first field, whatever their annotation,
    or share a group with one; and those of validation that are so with test. What a source states about groups may
    contradict the splits it states; splits made here never part a group.
    """
    near = _less_held_out(splits, pairs)
    groups = [group_of(record) for record in records]
    best: dict[str, int] = {}
    for group, split in zip(groups, splits, strict=True):
        best[group] = min(best.get(group, _RANK["train"]), _RANK[split])
    straddling = {place for place, group in enumerate(groups) if _RANK[splits[place]] > best[group]}
    out = near | straddling
    kept = [place for place in range(len(records)) if place not in out]
    found = (("near-duplicate of a held-out record", len(near)), ("group of a held-out record", len(straddling)))
    return kept, Step("leaks", len(records), len(kept), found=found)


def _less_held_out(splits: Sequence[str], pairs: Sequence[NearPair]) -> set[int]:
    out: set[int] = set()
    for pair in pairs:
        first, second = _RANK[splits[pair.first]], _RANK[splits[pair.second]]
        if first != second:
            out.add(pair.first if first > second else pair.second)
    return out


def _same_annotation(one: Record, other: Record) -> bool:
    if isinstance(one, MultiLabelled) and isinstance(other, MultiLabelled):
        return one.labels == other.labels
    return one.stratum() == other.stratum()


def _rest_alike(one: Record, other: Record, similarity: float) -> bool:
    return all(
        jaccard(shingles(mine), shingles(yours)) >= similarity
        for mine, yours in zip(one.fields()[1:], other.fields()[1:], strict=True)
    )
