"""Reading annotation: a file or a registered data set in, records and named bad rows out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.data import dataset, datasets
from core.errors import InputError, UnknownName, UnreadableFile
from core.progress import ProgressCallback
from core.training.data.containers import (
    BadRow,
    Container,
    Row,
    detect_container,
    known_split,
    read_text,
    rows_of,
)
from core.training.data.forms import FORMS, canonical, detect_form, record_of, unused_fields
from core.training.data.named import Part, parts_of
from core.training.data.records import Record
from core.training.data.tagged import read_tagged

FORMATS = (*FORMS, "columns")
"""What `--format` takes."""

_DETECTION_ROWS = 200
_CONTAINERS: Mapping[Container, str] = {
    "json": "JSON",
    "jsonl": "JSON lines",
    "csv": "comma-separated table",
    "tsv": "tab-separated table",
    "columns": "tagged columns",
    "text": "plain text",
}


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read, for the data card.

    Attributes:
        container: the outer form; `form`: what a row says.
        rows: rows found; `bad`: how many of them could not be used.
        unused: fields of the rows that nothing was taken from.
    """

    name: str
    sha256: str
    size_bytes: int
    container: str
    form: str
    split: str | None
    rows: int
    bad: int
    unused: tuple[str, ...]
    licence: str
    home: str


@dataclass(frozen=True, slots=True)
class Imported:
    """Records of one kind, in the order read, the files they came from, and the rows that could not be used."""

    records: tuple[Record, ...]
    sources: tuple[Source, ...]
    bad: tuple[BadRow, ...] = field(repr=False)

    @property
    def kind(self) -> str:
        return self.records[0].kind


def import_sources(
    names: Sequence[str],
    *,
    form: str | None = None,
    fields: Mapping[str, str] | None = None,
    strict: bool = False,
    progress: Callable[[str], ProgressCallback] | None = None,
) -> Imported:
    """Read every source; all must give records of one kind.

    Args:
        names: files, or names of registered data sets.
        form: one of `FORMATS`, in place of what is detected.
        fields: for one of our field names, the file's own.
        strict: fail at the first source with a bad row.
        progress: from what is being done to where its progress is shown.

    Raises:
        UnknownName: neither a file nor a data set.
        UnreadableFile, FileTooLarge: a file cannot be used at all.
        InputError: no row could be used, kinds are mixed, or, if `strict`, some row could not be used.
    """
    if form is not None and form not in FORMATS:
        raise UnknownName("format", form, FORMATS)
    records: list[Record] = []
    sources: list[Source] = []
    bad: list[BadRow] = []
    for part in (part for name in names for part in _parts(name)):
        seen = progress(f"reading {part.path.name}") if progress else None
        read, source, wrong = _read_part(part, form or part.form, fields or part.fields, seen)
        if strict and wrong:
            raise InputError(
                f"{wrong[0].source}, {wrong[0].place}: {wrong[0].reason} ({len(wrong)} such rows).",
                hint="Mend the rows, or leave out --strict to go on without them.",
            )
        if not read:
            raise _nothing_usable(source, wrong)
        if records and read[0].kind != records[0].kind:
            raise InputError(
                f"'{source.name}' holds {read[0].kind} records, '{sources[0].name}' {records[0].kind}.",
                hint="Prepare each kind by itself; training can mix them. --format overrides what was detected.",
            )
        records += read
        sources.append(source)
        bad += wrong
    return Imported(tuple(records), tuple(sources), tuple(bad))


def _nothing_usable(source: Source, wrong: Sequence[BadRow]) -> InputError:
    if not source.rows:
        return InputError(f"'{source.name}' has no row.", hint="Choose a file with content.")
    reasons = "; ".join(f"{row.place}: {row.reason}" for row in wrong[:3])
    return InputError(
        f"None of the {source.rows} rows of '{source.name}' can be used as {source.form}. {reasons}.",
        hint="See `trivium train prepare --help` for --format and --field.",
    )


def _parts(name: str) -> Iterator[Part]:
    if name in datasets():
        yield from parts_of(dataset(name))
        return
    path = Path(name)
    if not path.exists() and not path.suffix and path.parent == Path():
        raise UnknownName("file or data set", name, list(datasets()))
    stem = path.name.lower().removesuffix(".gz").split(".")[0]
    yield Part(path, path.name, split=known_split(stem))


def _read_part(
    part: Part, form: str | None, fields: Mapping[str, str], progress: ProgressCallback | None
) -> tuple[list[Record], Source, list[BadRow]]:
    text, data = read_text(part.path)
    container: Container = "columns" if form == "columns" else detect_container(text, part.path.name)
    if container == "columns" and form not in (None, "columns"):
        container = "text"
    results: Iterable[Record | BadRow]
    unused: tuple[str, ...] = ()
    if part.rows is not None:
        container, form = "json", form or "plain"
        results = _records(part.rows(text), form, {}, part)
    elif container == "columns":
        form = "columns"
        results = read_tagged(text, part.name, split=part.split)
    else:
        rows = list(rows_of(text, container, part.name))
        form = form or _detected(rows, fields, part.name)
        sample = [row.values for row in rows[:_DETECTION_ROWS] if isinstance(row, Row)]
        unused = tuple(dict.fromkeys(name for values in sample for name in unused_fields(values, form, fields)))
        results = _counted(_records(rows, form, fields, part), len(rows), progress)
    found = list(results)
    records = [item for item in found if isinstance(item, Record)]
    bad = [item for item in found if isinstance(item, BadRow)]
    source = Source(
        name=part.name,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        container=_CONTAINERS[container],
        form=form,
        split=part.split,
        rows=len(found),
        bad=len(bad),
        unused=unused,
        licence=part.licence,
        home=part.home,
    )
    return records, source, bad


def _counted(
    items: Iterable[Record | BadRow], total: int, progress: ProgressCallback | None
) -> Iterator[Record | BadRow]:
    for done, item in enumerate(items, start=1):
        yield item
        if progress:
            progress(done, total)


def _detected(rows: Sequence[Row | BadRow], fields: Mapping[str, str], name: str) -> str:
    good = [row for row in rows if isinstance(row, Row)]
    form = detect_form([canonical(row.values, fields) for row in good[:_DETECTION_ROWS]])
    if form is not None:
        return form
    if not good:
        wrong = [row for row in rows if isinstance(row, BadRow)]
        where = f" {wrong[0].place}: {wrong[0].reason}." if wrong else ""
        raise UnreadableFile(f"'{name}' has no row that can be read.{where}", hint="Choose another file.")
    seen = ", ".join(f"'{field}'" for field in good[0].values) or "none"
    raise InputError(
        f"The fields of '{name}' ({seen}) fit no known form of annotation.",
        hint="Name them, e.g. --field text=utterance --field label=topic; forms: " + ", ".join(FORMS) + ".",
    )


def _records(
    rows: Iterable[Row | BadRow], form: str, fields: Mapping[str, str], part: Part
) -> Iterator[Record | BadRow]:
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield record_of(Row(row.place, row.values, row.split or part.split), form, fields)
        except InputError as error:
            yield BadRow(part.name, row.place, error.message)
