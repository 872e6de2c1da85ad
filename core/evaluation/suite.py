"""A suite: a named evaluation with its data, its measures and the published figures to print beside ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.evaluation.intervals import Measure
from core.progress import ProgressCallback


@dataclass(frozen=True, slots=True)
class Published:
    """A figure from elsewhere. `value` is between 0 and 1; `source` says who and under which protocol."""

    metric: str
    value: float
    source: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What running a suite gave.

    Attributes:
        n: items measured.
        metrics: plain names (`accuracy`, `hit@5`, `f1`) to measures between 0 and 1.
        notes: protocol remarks a reader needs beside the figures.
        failures: a few wrong items, as text, for whoever wants to see why.
    """

    n: int
    metrics: Mapping[str, Measure]
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suite:
    """A named evaluation.

    Attributes:
        run: takes the item limit (None for all; a limit takes an evenly spread, deterministic sample) and a
            progress callback.
        data: names of the public sets it reads, resolved through `core.data`.
        files: files of the project itself it reads; hashed into the report.
    """

    name: str
    title: str
    run: Callable[[int | None, ProgressCallback], Outcome]
    data: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    published: tuple[Published, ...] = field(default=())


def spread(count: int, limit: int | None) -> list[int]:
    """Indices of an evenly spread sample of `limit` items out of `count`; all where `limit` is None."""
    if limit is None or limit >= count:
        return list(range(count))
    return [index * count // limit for index in range(limit)]
