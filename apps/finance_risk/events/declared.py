"""The declared meaning of 8-K items: severities and signals of `events.yaml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

EVENTS_FILE = Path(__file__).with_name("events.yaml")


@dataclass(frozen=True, slots=True)
class SignalRule:
    """Words that say what happened; `items` is empty where the signal may stand in any item."""

    name: str
    names: dict[str, str]
    severity: int
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None
    items: frozenset[str]

    def fires(self, sentence: str, item: str) -> bool:
        if self.items and item not in self.items:
            return False
        if self.pattern.search(sentence) is None:
            return False
        return self.unless is None or self.unless.search(sentence) is None


@dataclass(frozen=True, slots=True)
class Declaration:
    """Severity by item number, names by severity, and the signals."""

    item_severity: dict[str, int]
    severity_names: dict[int, dict[str, str]]
    signals: tuple[SignalRule, ...]


@cache
def declaration() -> Declaration:
    """The content of `events.yaml`."""
    entries = yaml.safe_load(EVENTS_FILE.read_text(encoding="utf-8"))
    signals = tuple(
        SignalRule(
            name=name,
            names=entry["names"],
            severity=entry["severity"],
            pattern=re.compile(entry["pattern"], re.IGNORECASE),
            unless=re.compile(entry["unless"], re.IGNORECASE) if "unless" in entry else None,
            items=frozenset(entry.get("items", ())),
        )
        for name, entry in entries["signals"].items()
    )
    return Declaration(entries["items"], entries["severities"], signals)
