"""What a recipe of classes learns from and is measured on: labelled records in three splits.

They come from a product, from a folder of `trivium train prepare`, or from any file that it reads. Nothing of one
group, and no text, is ever in two splits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import InputError
from core.training.data.importing import import_sources
from core.training.data.prepare import load_prepared
from core.training.data.records import SPLITS, Record
from core.training.data.splits import Fractions, assign_splits, settle_given
from core.training.pipeline.classes.recipe import ClassRecipe
from core.training.pipeline.examples import TEST_SHARE, VALIDATION_SHARE, RecipeData, Splits, product_data
from core.training.supervised.classifier_card import Task
from core.training.supervised.classify import class_names, task_of, truth_of


@dataclass(frozen=True, slots=True)
class LabelledData(Splits[Record]):
    """Three splits of records of one kind: labelled texts, pairs, texts with sets of classes, or spans."""

    @property
    def task(self) -> Task:
        """What is to be learned."""
        return task_of(self.train)


def group_of(record: Record) -> str:
    """What the record goes with; itself where it goes with none."""
    return record.group or record.id


def load_labelled(recipe: ClassRecipe) -> LabelledData:
    """The records the recipe names. Raises `InputError` where they have no classes."""
    choice = recipe.data
    if choice.prepared is not None:
        return _of_splits(choice.prepared.name, load_prepared(choice.prepared).splits)
    if choice.file is not None:
        return _file(choice.file, recipe.seed)
    assert choice.suite is not None
    data = product_data(choice.suite)
    if isinstance(data, RecipeData):
        raise InputError(
            f"The data '{choice.suite}' has prompts with responses, not texts with classes.",
            hint="Use it in a recipe with other stages.",
        )
    return data


def _of_splits(name: str, splits: Mapping[str, tuple[Record, ...]]) -> LabelledData:
    train, validation, test = (splits[split] for split in SPLITS)
    return LabelledData(name, train, validation, test)


def _file(path: Path, seed: int) -> LabelledData:
    """Its own splits where it states them, else by a hash of each group, the same share of every class."""
    records, _ = settle_given(import_sources([str(path)]).records)
    splits = assign_splits(records, Fractions(VALIDATION_SHARE, TEST_SHARE), seed=seed, stratify=True)
    placed = {
        name: tuple(record for record, split in zip(records, splits, strict=True) if split == name) for name in SPLITS
    }
    return _of_splits(path.stem, placed)


def sha256_of_records(data: LabelledData) -> str:
    """One hash of everything in the splits."""
    digest = hashlib.sha256()
    for name in SPLITS:
        for record in data.split(name):
            line = [name, record.kind, record.as_json()]
            digest.update(json.dumps(line, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def check_labelled(data: LabelledData) -> None:
    """Raises `InputError` for an empty split, one group held out alone, records of several kinds, a class that is not
    learned, or a text or group in two splits."""
    for name in SPLITS:
        if not data.split(name):
            raise InputError(
                f"The data '{data.name}' has no {name} records.",
                hint="Training, choosing and the last evaluation each need their own.",
            )
        if name != "train" and len({group_of(record) for record in data.split(name)}) < 2:
            raise InputError(
                f"The {name} records of '{data.name}' are of one group: nothing could be told from chance.",
                hint="Hold out more groups.",
            )
    task_of([record for name in SPLITS for record in data.split(name)])
    class_names(data.train)
    learned = {_class_of(item) for record in data.train for item in truth_of(record)}
    if len(learned) < 2 and data.task in ("text", "pair"):
        raise InputError(
            f"There is one class ('{learned.pop()}') in training: nothing to tell apart.",
            hint="Add examples of another class.",
        )
    for name in SPLITS:
        for record in data.split(name):
            unseen = {_class_of(item) for item in truth_of(record)} - learned
            if unseen:
                raise InputError(
                    f"'{min(unseen)}' is in {name} and not among the classes learned.",
                    hint="Split so that every class is in train (--stratify).",
                )
    _check_apart(data)


def _check_apart(data: LabelledData) -> None:
    place: dict[tuple[str, object], str] = {}
    for name in SPLITS:
        for record in data.split(name):
            keys: list[tuple[str, object]] = [("text", record.texts())]
            keys += [("group", record.group)] if record.group else []
            for what, key in keys:
                if place.setdefault((what, key), name) != name:
                    where = place[what, key]
                    raise InputError(
                        f"The {what} of '{record.texts()[0][:40]}' is in {where} and in {name}; figures on the one "
                        "would say nothing.",
                        hint="Split by group, and leave out what is there twice.",
                    )


def _class_of(item: object) -> str:
    return str(getattr(item, "label", item))
