"""From sources to a folder of prepared data: import, clean, split, check for leaks, write with a data card.

The folder holds `train.jsonl`, `validation.jsonl`, `test.jsonl`, `card.json`, `card.md` and, where rows could not be
used, `rejected.jsonl` with the place and reason of each. It appears in one step; the same input and settings give the
same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from core.config import settings
from core.errors import DataMismatch, InputError, UnreadableFile
from core.files import MEBIBYTE, parse_json, read_bytes, read_json
from core.models.staging import check_place, new_model_folder
from core.progress import ProgressCallback
from core.terminal import line_for_terminal
from core.training.data.card import CARD_VERSION, Card, card_markdown, label_counts, make_card
from core.training.data.cleaning import (
    Step,
    composed_edits,
    edit_records,
    filter_languages,
    filter_length,
    invisible_edits,
    mask_edits,
    outer_space_edits,
)
from core.training.data.containers import SHOWN_CHARACTERS, BadRow
from core.training.data.importing import import_sources
from core.training.data.near_duplicates import NearPair, near_duplicates
from core.training.data.records import SPLITS, Record, from_json
from core.training.data.repeats import drop_leaks, drop_near_repeats, drop_repeats
from core.training.data.splits import Fractions, assign_splits, settle_given

ProgressOf = Callable[[str], ProgressCallback]
"""From what is being done to where its progress is shown."""

_REASONS_SHOWN = 20
_MOST_SPLIT_BYTES = 4096 * MEBIBYTE
"""Several files of the size of an upload come together in one."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """How to prepare.

    Attributes:
        form: form of the rows in place of the detected one.
        fields: for one of our field names, the file's own.
        strict: fail where a row cannot be used.
        languages: keep these alone ("zh", "en", "other", "none"); empty keeps all.
        min_characters, max_characters: bounds of a record's texts together.
        mask: replace personal data by its kind.
        similarity: Jaccard similarity from which records are near-duplicates; None looks for none. Of the pairs of
            BANKING77's training questions from .8 on, 6 of 194 have different labels, from .7 on 33 of 611.
        drop_leaks: take records like held-out ones out of training; False only counts them.
        stratify: exact shares of every label, see `splits`.
    """

    form: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    languages: tuple[str, ...] = ()
    min_characters: int = 1
    max_characters: int | None = None
    mask: bool = True
    similarity: float | None = 0.8
    drop_leaks: bool = True
    fractions: Fractions = field(default_factory=Fractions)
    stratify: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.similarity is not None and not 0.3 <= self.similarity <= 1:
            raise InputError(
                f"A similarity of {self.similarity:g} is not between 0.3 and 1.",
                hint="Below 0.3 nearly all texts are near-duplicates of each other.",
            )
        if self.max_characters is not None and self.max_characters < self.min_characters:
            raise InputError(f"No text has from {self.min_characters} to {self.max_characters} characters.")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared folder, read and checked."""

    folder: Path
    card: Card
    splits: Mapping[str, tuple[Record, ...]]


def prepare(
    names: Sequence[str], folder: Path, how: Preparation | None = None, *, progress: ProgressOf | None = None
) -> Card:
    """Prepare the sources `names` into `folder`; returns the data card.

    Raises:
        UnknownName, UnreadableFile, FileTooLarge: a source cannot be read.
        InputError: no record is left, only one class is, or `folder` holds something else.
    """
    how = how or Preparation()
    check_place(folder, "card.json", "prepared data")
    show = progress or (lambda _: _unseen)
    imported = import_sources(names, form=how.form, fields=how.fields, strict=how.strict, progress=progress)
    records, notes = settle_given(imported.records)
    notes += [
        line_for_terminal(f"Fields of '{source.name}' not used: {', '.join(source.unused)}.", SHOWN_CHARACTERS)
        for source in imported.sources
        if source.unused
    ]
    records, steps = _clean(records, how, show)
    _check_usable(records, steps)
    placed, more_steps = _split(records, how, show)
    _check_usable(placed["train"], [*steps, *more_steps], "training")
    files = {f"{name}.jsonl": _lines([record.as_json() for record in placed[name]]) for name in SPLITS}
    card = make_card(
        imported.kind,
        files,
        placed,
        sources=imported.sources,
        steps=[*steps, *more_steps],
        rejected=_reasons(imported.bad),
        config=_config(how),
        notes=notes,
    )
    with new_model_folder(folder) as fresh:
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        if imported.bad:
            (fresh / "rejected.jsonl").write_bytes(_rejected(imported.bad))
        (fresh / "card.md").write_text(card_markdown(card), encoding="utf-8")
        (fresh / "card.json").write_text(
            json.dumps(card.content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
    return card


def _clean(records: list[Record], how: Preparation, show: ProgressOf) -> tuple[list[Record], list[Step]]:
    steps: list[Step] = []
    edits = [
        ("invisible characters", invisible_edits),
        ("unicode spelling", composed_edits),
        ("outer white space", outer_space_edits),
    ]
    if how.mask:
        edits.append(("personal data masked", mask_edits))
    for name, edits_of in edits:
        records, step = edit_records(records, name, edits_of, show(name))
        steps.append(step)
    records, step = filter_length(records, how.min_characters, how.max_characters)
    steps.append(step)
    if how.languages:
        records, step = filter_languages(records, how.languages)
        steps.append(step)
    records, more = drop_repeats(records)
    return records, [*steps, *more]


def _split(
    records: list[Record], how: Preparation, show: ProgressOf
) -> tuple[dict[str, tuple[Record, ...]], list[Step]]:
    steps: list[Step] = []
    pairs: list[NearPair] = []
    if how.similarity is not None:
        pairs = _near(records, how.similarity, show)
        kept, step = drop_near_repeats(records, pairs, how.similarity)
        pairs = _among(kept, pairs)
        records = [records[place] for place in kept]
        steps.append(step)
    splits = assign_splits(records, how.fractions, seed=how.seed, stratify=how.stratify)
    staying, step = drop_leaks(records, splits, pairs)
    if how.drop_leaks:
        steps.append(step)
    else:
        staying = list(range(len(records)))
        steps.append(replace(step, name="leaks, counted only", after=len(records)))
    placed: dict[str, list[Record]] = {name: [] for name in SPLITS}
    for place in staying:
        placed[splits[place]].append(records[place])
    return {name: tuple(members) for name, members in placed.items()}, steps


def _near(records: Sequence[Record], similarity: float, show: ProgressOf) -> list[NearPair]:
    inputs = [record.fields()[0] for record in records]
    return near_duplicates(inputs, similarity, progress=show("near-duplicates"))


def _among(kept: Sequence[int], pairs: Sequence[NearPair]) -> list[NearPair]:
    """`pairs` of the places `kept`, numbered by their places there."""
    new = {place: number for number, place in enumerate(kept)}
    return [
        NearPair(new[pair.first], new[pair.second], pair.similarity)
        for pair in pairs
        if pair.first in new and pair.second in new
    ]


def _check_usable(records: Sequence[Record], steps: Sequence[Step], purpose: str = "") -> None:
    """Raises `InputError` where nothing, or nothing to tell apart, is left."""
    what = f" for {purpose}" if purpose else ""
    if not records:
        worst = max(steps, key=lambda step: step.before - step.after)
        raise InputError(
            f"No record is left{what}; the step '{worst.name}' took {worst.before - worst.after}.",
            hint="Loosen that step; see `trivium train prepare --help`.",
        )
    kind = records[0].kind
    labels = label_counts(records)
    if kind == "labelled" and len(labels) == 1:
        raise InputError(
            f"All {len(records)} records{what} have the label '{next(iter(labels))}': there is nothing to tell apart.",
            hint="Add records of another class.",
        )
    if kind == "pairs" and len(labels) == 1:
        raise InputError(
            f"All pairs{what} have the label '{next(iter(labels))}': there is nothing to tell apart.",
            hint="Add pairs of another class, or leave the label out.",
        )
    if kind == "multilabelled" and not labels:
        raise InputError(f"No text{what} has a class.", hint="Check the annotation.")
    if kind == "spans" and not labels:
        raise InputError(f"No text{what} has a labelled span.", hint="Check the annotation.")


def _config(how: Preparation) -> dict[str, Any]:
    plain = asdict(how)
    fractions = plain.pop("fractions")
    return {**plain, "fields": dict(how.fields), "languages": list(how.languages), **fractions}


def _lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8")


def _reasons(bad: Sequence[BadRow]) -> dict[str, int]:
    """The most frequent reasons; a file can have as many as rows, and the card is to be read."""
    counts = Counter(row.reason for row in bad)
    shown = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_REASONS_SHOWN])
    rest = len(bad) - sum(shown.values())
    return {**shown, "other reasons": rest} if rest else shown


def _rejected(bad: Sequence[BadRow]) -> bytes:
    return _lines([asdict(row) for row in bad])


def _unseen(_done: int, _total: int) -> None:
    return None


def load_prepared(folder: Path) -> Prepared:
    """The records of a prepared folder, every file compared with the hash on its card.

    Raises:
        UnreadableFile: not a prepared folder.
        DataMismatch: a file was changed after it was prepared.
    """
    card = load_card(folder)
    listed = card.content["files"].items()
    sums = {name: about.get("sha256") for name, about in listed if isinstance(about, dict)}
    splits: dict[str, tuple[Record, ...]] = {}
    for name in SPLITS:
        path = folder / f"{name}.jsonl"
        if not path.is_file():
            raise DataMismatch(f"'{path}' is missing.", hint="Prepare the data again.")
        content = read_bytes(path, max_bytes=_MOST_SPLIT_BYTES) if path.stat().st_size else b""
        if hashlib.sha256(content).hexdigest() != sums.get(path.name):
            raise DataMismatch(f"'{path}' was changed after it was prepared.", hint="Prepare the data again.")
        rows = (parse_json(line, str(path)) for line in content.split(b"\n") if line)
        splits[name] = tuple(from_json(card.kind, row, split=name) for row in rows)
    return Prepared(folder, card, splits)


def load_card(folder: Path) -> Card:
    """The card of a prepared folder.

    Raises:
        UnreadableFile: there is none, or one of another version.
        FileTooLarge: it is over the limit for uploads.
    """
    path = folder / "card.json"
    if not path.is_file():
        raise UnreadableFile(
            f"'{folder}' is no folder of prepared data.", hint="Make one with `trivium train prepare`."
        )
    try:
        content = read_json(path, max_bytes=settings().max_upload_bytes)
    except UnreadableFile as error:
        raise UnreadableFile(f"'{path}' is broken: {error.message}", hint="Prepare the data again.") from error
    needed = {"kind": str, "sha256": str, "files": dict, "notes": list}
    fits = isinstance(content, dict) and all(isinstance(content.get(name), kind) for name, kind in needed.items())
    if not fits or content.get("version") != CARD_VERSION:
        raise UnreadableFile(f"'{path}' is of another version, or no data card.", hint="Prepare the data again.")
    return Card(content)
