"""Train, validation and test: by a hash of the group, so that a record's place does not depend on the others.

Adding records, removing some or changing their order moves none of the rest. Each stratum then has its share within the
chance of the draw. `stratify=True` gives every stratum its exact share instead, at the price that records next to the
border can change sides when others are added.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.errors import InputError
from core.training.data.records import Record


@dataclass(frozen=True, slots=True)
class Fractions:
    """Shares of validation and test; training has the rest."""

    validation: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        if self.validation < 0 or self.test < 0 or self.validation + self.test >= 1:
            raise InputError(
                f"The shares {self.validation:g} for validation and {self.test:g} for test leave nothing for training.",
                hint="Both are at least 0 and together less than 1.",
            )


def group_of(record: Record) -> str:
    """What must not be parted: the group the source states, else all records with the same input (first field)."""
    if record.group is not None:
        return f"group {record.group}"
    return "input " + hashlib.sha256(record.fields()[0].encode("utf-8", errors="surrogatepass")).hexdigest()


def place_of(group: str, seed: int) -> float:
    """A number in [0, 1) drawn by hash from seed and group."""
    digest = hashlib.sha256(f"{seed}\x1f{group}".encode("utf-8", errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def settle_given(records: Sequence[Record]) -> tuple[list[Record], list[str]]:
    """Records with the splits their sources state where these can be kept, and what is to be noted about that.

    Stated splits are kept if some records are for training and some are not. Otherwise nothing could be trained or
    nothing measured, and all are split anew.
    """
    stated = {record.split for record in records if record.split}
    open_or_train = any(record.split in (None, "train") for record in records)
    if not stated or (stated - {"train"} and open_or_train):
        return list(records), []
    note = f"The sources state one split alone ({', '.join(sorted(stated))}); the records were split anew."
    return [replace(record, split=None) for record in records], [note]


def assign_splits(
    records: Sequence[Record], fractions: Fractions, *, seed: int = 0, stratify: bool = False
) -> list[str]:
    """The split of each record. Validation and test that a source states stay; those missing come out of the rest."""
    stated = {record.split for record in records}
    wanted = Fractions(
        validation=0.0 if "validation" in stated else fractions.validation,
        test=0.0 if "test" in stated else fractions.test,
    )
    free = [place for place, record in enumerate(records) if record.split in (None, "train")]
    groups: dict[str, list[int]] = defaultdict(list)
    for place in free:
        groups[group_of(records[place])].append(place)
    drawn = _by_stratum(records, groups, wanted, seed) if stratify else _by_hash(groups, wanted, seed)
    splits = [record.split or "train" for record in records]
    for group, members in groups.items():
        for place in members:
            splits[place] = drawn[group]
    return splits


def _by_hash(groups: dict[str, list[int]], wanted: Fractions, seed: int) -> dict[str, str]:
    def split(group: str) -> str:
        place = place_of(group, seed)
        if place < wanted.test:
            return "test"
        return "validation" if place < wanted.test + wanted.validation else "train"

    return {group: split(group) for group in groups}


def _by_stratum(
    records: Sequence[Record], groups: dict[str, list[int]], wanted: Fractions, seed: int
) -> dict[str, str]:
    """In each stratum (a group's most frequent), groups in the order of their hash: test, validation, train.

    A stratum with two groups or more leaves at least one for training, however small it is.
    """
    strata: dict[str, list[str]] = defaultdict(list)
    for group, members in groups.items():
        counts = Counter(records[place].stratum() for place in members)
        strata[min(counts, key=lambda name: (-counts[name], name))].append(group)
    drawn: dict[str, str] = {}
    for names in strata.values():
        names.sort(key=lambda group: (place_of(group, seed), group))
        total = sum(len(groups[group]) for group in names)
        for_test, held_out = round(total * wanted.test), round(total * (wanted.test + wanted.validation))
        given = 0
        for number, group in enumerate(names):
            last = number == len(names) - 1
            drawn[group] = (
                "test" if given < for_test and not last else "validation" if given < held_out and not last else "train"
            )
            given += len(groups[group])
    return drawn
