"""The data card: what the prepared data is, where it came from, what was done to it, and its hash."""

from __future__ import annotations

import hashlib
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.text import escape_markdown
from core.training.data.cleaning import Step, record_language
from core.training.data.importing import Source
from core.training.data.records import Chat, MultiLabelled, Record, SpanLabelled

CARD_VERSION = 1


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a prepared set; `content` is its JSON, without any time or place of making."""

    content: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """One hash of all the records, their splits and order."""
        return str(self.content["sha256"])

    @property
    def kind(self) -> str:
        return str(self.content["kind"])

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self.content["notes"])


def make_card(
    kind: str,
    files: Mapping[str, bytes],
    splits: Mapping[str, Sequence[Record]],
    *,
    sources: Sequence[Source],
    steps: Sequence[Step],
    rejected: Mapping[str, int],
    config: Mapping[str, Any],
    notes: Sequence[str],
) -> Card:
    """The card of prepared `files` (name to content) holding the records of `splits`."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    whole = hashlib.sha256(f"{kind}\n".encode())
    for name, digest in hashes.items():
        whole.update(f"{name} {digest}\n".encode())
    content = {
        "version": CARD_VERSION,
        "kind": kind,
        "sha256": whole.hexdigest(),
        "records": sum(map(len, splits.values())),
        "files": {name: {"sha256": digest, "bytes": len(files[name])} for name, digest in hashes.items()},
        "sources": [asdict(source) for source in sources],
        "rejected_rows": dict(sorted(rejected.items(), key=lambda item: (-item[1], item[0]))),
        "steps": [{**asdict(step), "found": dict(step.found)} for step in steps],
        "splits": {name: _describe(records) for name, records in splits.items()},
        "config": dict(config),
        "notes": [*notes, *_warnings(splits, config)],
    }
    return Card(content)


def label_counts(records: Iterable[Record]) -> Counter[str]:
    """How often each label occurs; for labelled spans, how many spans have it."""
    counts: Counter[str] = Counter()
    for record in records:
        if isinstance(record, SpanLabelled):
            counts.update(span.label for span in record.spans)
        elif isinstance(record, MultiLabelled):
            counts.update(record.labels)
        elif record.stratum():
            counts[record.stratum()] += 1
    return counts


def _describe(records: Sequence[Record]) -> dict[str, Any]:
    sizes = [sum(map(len, record.texts())) for record in records]
    difficulties = [record.difficulty for record in records if record.difficulty is not None]
    return {
        "records": len(records),
        "groups": len({record.group for record in records if record.group is not None}),
        "with_difficulty": len(difficulties),
        "languages": dict(sorted(Counter(map(record_language, records)).items())),
        "labels": dict(sorted(label_counts(records).items())),
        "characters": {
            "total": sum(sizes),
            "least": min(sizes, default=0),
            "median": statistics.median(sizes) if sizes else 0,
            "most": max(sizes, default=0),
            "histogram": _histogram(sizes),
        },
    }


def _histogram(sizes: Sequence[int]) -> dict[str, int]:
    """Counts of records by length in powers of two: "128-255" and so on."""
    exponents = Counter(size.bit_length() for size in sizes if size)
    return {f"{2 ** (bits - 1)}-{2**bits - 1}": exponents[bits] for bits in sorted(exponents)}


def _warnings(splits: Mapping[str, Sequence[Record]], config: Mapping[str, Any]) -> list[str]:
    notes = [
        f"The {name} split is empty; --stratify gives it its exact share."
        for name in ("validation", "test")
        if not splits[name] and config[name]
    ]
    labels = {name: label_counts(records) for name, records in splits.items()}
    for name in ("validation", "test"):
        if not splits[name]:
            continue
        unseen = sorted(set(labels[name]) - set(labels["train"]))
        absent = sorted(set(labels["train"]) - set(labels[name]))
        if unseen:
            notes.append(f"In {name} but not in train: {_some(unseen)}.")
        if absent:
            notes.append(f"In train but not in {name}: {_some(absent)}. --stratify gives each label its share.")
    unanswered = sum(isinstance(r, Chat) and r.response is None for records in splits.values() for r in records)
    if unanswered:
        notes.append(f"{unanswered} conversations end with a question: prompts to sample for, nothing to imitate.")
    return notes


def _some(labels: Sequence[str]) -> str:
    shown = ", ".join(f"'{label}'" for label in labels[:5])
    return shown if len(labels) <= 5 else f"{shown} and {len(labels) - 5} more labels"


def card_markdown(card: Card) -> str:
    """The card for people. Nothing of the data can format it or link out of it."""
    content = card.content
    lines = [
        f"# Data card: {content['kind']}, {content['records']:,} records",
        "",
        f"sha256 `{card.sha256}`",
        "",
        "## Sources",
        "",
        *_table(
            ("file", "read as", "rows", "unusable", "licence", "home", "sha256"),
            (
                (
                    source["name"],
                    f"{source['container']}, {source['form']}",
                    source["rows"],
                    source["bad"],
                    source["licence"],
                    source["home"],
                    source["sha256"][:16],
                )
                for source in content["sources"]
            ),
        ),
    ]
    if content["rejected_rows"]:
        lines += ["## Rows that could not be used", "", *_table(("reason", "rows"), content["rejected_rows"].items())]
    lines += ["## Steps", "", *_table(("step", "before", "after", "changed", "found"), _step_rows(content["steps"]))]
    columns = ("split", "records", "groups", "languages", "characters: total", "least", "median", "most")
    lines += ["## Splits", "", *_table(columns, _split_rows(content["splits"]))]
    for title, key in (("Labels", "labels"), ("Characters a record", "histogram")):
        rows = _by_split(content["splits"], key)
        if rows:
            lines += [f"## {title}", "", *_table((title.lower(), *content["splits"]), rows)]
    lines += ["## Settings", "", *_table(("setting", "value"), sorted(content["config"].items()))]
    if content["notes"]:
        lines += ["## Notes", "", *(f"- {escape_markdown(note)}" for note in content["notes"]), ""]
    return "\n".join(lines)


def _step_rows(steps: Iterable[Mapping[str, Any]]) -> Iterable[tuple[object, ...]]:
    for step in steps:
        found = ", ".join(f"{name} {count}" for name, count in step["found"].items() if count)
        yield step["name"], step["before"], step["after"], step["changed"], found


def _split_rows(splits: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[object, ...]]:
    for name, split in splits.items():
        languages = ", ".join(f"{language} {count}" for language, count in split["languages"].items())
        sizes = split["characters"]
        numbers = (sizes["total"], sizes["least"], sizes["median"], sizes["most"])
        yield name, split["records"], split["groups"], languages, *numbers


def _by_split(splits: Mapping[str, Mapping[str, Any]], key: str) -> list[tuple[object, ...]]:
    counts = [split[key] if key == "labels" else split["characters"][key] for split in splits.values()]
    names = dict.fromkeys(name for count in counts for name in count)
    ordered = sorted(names) if key == "labels" else sorted(names, key=lambda name: int(name.split("-")[0]))
    return [(name, *(count.get(name, 0) for count in counts)) for name in ordered]


def _table(header: Sequence[str], rows: Iterable[Iterable[object]]) -> list[str]:
    lines = [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows]
    return [*lines, ""]


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return escape_markdown("-" if value in (None, "", []) else str(value))
    return f"{value:,}"
