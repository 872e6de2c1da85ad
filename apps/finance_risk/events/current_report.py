"""The events of an 8-K: which items it reports, what they say, and how serious that is declared to be.

An item is an event only if its text says something: "Not applicable" is none, and item 9.01 lists exhibits. Each event
quotes the sentence that tells it; a signal within an item quotes the sentence it was found in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from apps.finance_risk.events.declared import declaration
from apps.finance_risk.events.sentences import Entity, Sentence, SentenceReader, sentence_reader
from apps.finance_risk.filings import Filing, Item
from apps.finance_risk.filings.items import item_names
from apps.finance_risk.messages import Message, say
from core.evidence import TextEvidence

_NOTHING = re.compile(r"^\W*(?:not applicable|none|n/?a|no events? to report)\W*$", re.IGNORECASE)
_BOILERPLATE = re.compile(
    r"shall not be deemed|incorporated (?:herein )?by reference|forward[- ]looking|qualified in its entirety|"
    r"attached (?:hereto )?as exhibit|furnished as exhibit|copy of which is|is set forth in item",
    re.IGNORECASE,
)
_COMPLETE = re.compile(r"[a-z]{3}.*[.;:]$", re.DOTALL)  # a heading has no final stop
_SHORTEST_SENTENCE = 30  # characters; shorter pieces are headings and list marks
_MAX_SIGNALS = 6


@dataclass(frozen=True, slots=True)
class Signal:
    """What happened within an item, with the sentence that says so."""

    name: str
    names: dict[str, str]
    severity: int
    evidence: TextEvidence


@dataclass(frozen=True, slots=True)
class RiskEvent:
    """An item that reports an event.

    Attributes:
        severity: 1 routine … 5 critical, as declared; raised by signals.
        evidence: the sentence that tells the event.
        entities: organisations, people, dates and amounts of the quoted sentences, by spaCy.
    """

    item: str
    names: dict[str, str]
    severity: int
    reported: date | None
    evidence: tuple[TextEvidence, ...]
    signals: tuple[Signal, ...]
    entities: tuple[Entity, ...]


@dataclass(frozen=True, slots=True)
class EventReading:
    """The events of a filing, gravest first, and what a reader must know of how they were found."""

    events: tuple[RiskEvent, ...]
    notes: tuple[Message, ...]


def severity_name(severity: int, language: str) -> str:
    """What a severity is called."""
    return declaration().severity_names[severity][language]


def find_events(filing: Filing) -> EventReading:
    """The item events of an 8-K; no events and a note for any other form."""
    if filing.cover.form_name != "8-K":
        return EventReading((), (say("events_only_8k"),))
    reader, marks_entities = sentence_reader()
    notes = [] if marks_entities else [say("events_unmarked")]
    events: list[RiskEvent] = []
    for item in filing.items:
        body = item.body.of(filing.text)
        if declaration().item_severity.get(item.number, 0) == 0:
            continue
        if not body.strip() or _NOTHING.match(body.strip()):
            notes.append(say("events_empty_item", item.number))
            continue
        events.append(_event(filing, item, reader))
    if not events:
        notes.append(say("events_none"))
    return EventReading(tuple(sorted(events, key=lambda event: -event.severity)), tuple(notes))


def _event(filing: Filing, item: Item, reader: SentenceReader) -> RiskEvent:
    start = item.body.start
    sentences = [s for s in reader(item.body.of(filing.text)) if len(s.text) >= _SHORTEST_SENTENCE]
    content = [s for s in sentences if _COMPLETE.search(s.text) and not _BOILERPLATE.search(s.text)] or sentences
    told = _telling(content)
    signals: list[Signal] = []
    quoted = list(told)
    for rule in declaration().signals:
        hit = next((s for s in content if rule.fires(s.text, item.number)), None)
        if hit is not None and len(signals) < _MAX_SIGNALS:
            signals.append(Signal(rule.name, rule.names, rule.severity, _quote(filing, hit, start)))
            quoted.append(hit)
    base = declaration().item_severity[item.number]
    severity = max((signal.severity for signal in signals), default=base)
    names = item_names("8-K")[item.number]
    return RiskEvent(
        item=item.number,
        names=names,
        severity=severity if signals else base,
        reported=filing.cover.end_date,
        evidence=tuple(_quote(filing, sentence, start) for sentence in told),
        signals=tuple(signals),
        entities=_entities(quoted, start),
    )


def _telling(content: list[Sentence]) -> list[Sentence]:
    """The sentence that tells the event: the first that names a date, among the first three; else the first."""
    dated = [s for s in content[:3] if any(entity.kind == "DATE" for entity in s.entities)]
    return (dated or content)[:1]


def _quote(filing: Filing, sentence: Sentence, start: int) -> TextEvidence:
    return TextEvidence(filing.name, sentence.span.shift(start), sentence.text)


def _entities(sentences: list[Sentence], start: int) -> tuple[Entity, ...]:
    """Entities of the quoted sentences, each wording once."""
    found: dict[tuple[str, str], Entity] = {}
    for sentence in sentences:
        for entity in sentence.entities:
            found.setdefault((entity.kind, entity.text), Entity(entity.kind, entity.span.shift(start), entity.text))
    return tuple(found.values())
