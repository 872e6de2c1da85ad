"""The registered data sets that annotation can be read from, and how their files are laid out.

A set is listed here if it has a layout of its own or several files; every file is compared with its registered sha256
before it is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.data import Dataset
from core.errors import InputError
from core.training.data.containers import Row

RowReader = Callable[[str], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class Part:
    """One file to read.

    Attributes:
        name: as shown in reports.
        split: the split its records belong to, where that is known.
        form: the form of its rows, or None to detect it.
        fields: for one of our field names, the file's own.
        rows: makes rows of a file with a layout of its own.
    """

    path: Path
    name: str
    split: str | None = None
    form: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    rows: RowReader | None = None
    licence: str = "not stated"
    home: str = ""


@dataclass(frozen=True, slots=True)
class _Layout:
    file: str
    split: str | None = None
    form: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    rows: RowReader | None = None


def parts_of(entry: Dataset) -> Iterator[Part]:
    """The files of a registered set. Raises `InputError` for a set that holds no annotation we read."""
    if entry.name not in _LAYOUTS:
        raise InputError(
            f"The data set '{entry.name}' is not laid out as annotation for training.",
            hint=f"Name a file of yours, or one of: {', '.join(sorted(_LAYOUTS))}.",
        )
    for layout in _LAYOUTS[entry.name]:
        yield Part(
            entry.file(layout.file),
            f"{entry.name}/{layout.file}",
            split=layout.split,
            form=layout.form,
            fields=layout.fields,
            rows=layout.rows,
            licence=entry.licence,
            home=entry.home,
        )


_QUOTE_THE_PASSAGE = "阅读下面的材料，然后用材料中的原话回答问题。"


def _cmrc_rows(text: str) -> Iterator[Row]:
    """Questions about a passage as a conversation; the questions of one passage are one group."""
    for passage in json.loads(text):
        for question in passage["qas"]:
            prompt = f"{_QUOTE_THE_PASSAGE}\n\n{passage['context_text']}\n\n问题：{question['query_text']}"
            answer = question["answers"][0]
            values = {"prompt": prompt, "response": answer, "group": passage["context_id"]}
            yield Row(question["query_id"], values)


def _clinc_rows(text: str) -> Iterator[Row]:
    """Pairs of text and intent under keys such as "train" and "oos_val"; what is out of scope is a class too."""
    names = {"train": "train", "val": "validation", "test": "test"}
    for key, pairs in json.loads(text).items():
        for number, (sentence, intent) in enumerate(pairs, start=1):
            split = names[key.removeprefix("oos_")]
            yield Row(f"item {number} of '{key}'", {"text": sentence, "label": intent}, split)


def _finese_rows(text: str) -> Iterator[Row]:
    """Lists of number, text, event type and company; the texts of one number are one group."""
    for number, item in enumerate(json.loads(text), start=1):
        values: dict[str, Any] = dict(zip(("group", "text", "label"), item, strict=False))
        yield Row(f"item {number}", values)


_SPLITS = (("train", "train"), ("dev", "validation"), ("test", "test"))


def _split_files(pattern: str, form: str | None = None, **fields: str) -> tuple[_Layout, ...]:
    return tuple(_Layout(pattern.format(stem), split, form, fields) for stem, split in _SPLITS)


_LAYOUTS: Mapping[str, tuple[_Layout, ...]] = {
    "banking77": (_Layout("train.csv", "train", "labelled"), _Layout("test.csv", "test", "labelled")),
    "bio_ner": (
        _Layout("NCBI-disease-IOB/train.tsv", "train", "columns"),
        _Layout("NCBI-disease-IOB/devel.tsv", "validation", "columns"),
        _Layout("NCBI-disease-IOB/test.tsv", "test", "columns"),
    ),
    "bustm": (
        _Layout("train_few_all.json", "train", "pairs"),
        _Layout("dev_few_all.json", "validation", "pairs"),
        _Layout("test_public.json", "test", "pairs"),
    ),
    "cehrner": _split_files("{}.txt", "columns"),
    "clinc150": (_Layout("data_full.json", form="labelled", rows=_clinc_rows),),
    "cmedqaner": _split_files("{}.txt", "columns"),
    "cmrc2018": (_Layout("cmrc2018_dev.json", form="prompt-response", rows=_cmrc_rows),),
    "finese": (_Layout("train.json", form="labelled", rows=_finese_rows),),
    # The set has a file "test" alone; it is split anew.
    "hh_rlhf_harmless": (_Layout("harmless-base/test.jsonl.gz", form="preference"),),
    "sec_ner": (_Layout("train/FIN5.txt", "train", "columns"), _Layout("test/FIN3.txt", "test", "columns")),
}
