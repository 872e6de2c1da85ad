"""Events of current reports: quotes lead back to the text; without the model the events are the same."""

from __future__ import annotations

import pytest

from apps.finance_risk.events import find_events, severity_name
from apps.finance_risk.events.declared import declaration
from apps.finance_risk.filings import read_filing
from apps.finance_risk.filings.items import item_names

REPORT = """FORM 8-K
Date of Report (Date of earliest event reported): May 6, 2024
ACME, INC.
(Exact name of registrant as specified in its charter)
Item 5.02 Departure of Directors or Certain Officers
On May 6, 2024, Ruth Abell resigned as Chief Executive Officer of Acme, Inc. She will receive $250,000.
Item 7.01 Regulation FD Disclosure
The Company posted slides on its site on May 6, 2024.
SIGNATURES
"""


@pytest.fixture
def no_spacy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("apps.finance_risk.events.sentences.is_available", lambda name: False)


def test_events_quote_their_sentence_gravest_first(no_spacy):
    filing = read_filing(REPORT.encode(), "r.txt")
    reading = find_events(filing)
    assert [event.item for event in reading.events] == ["5.02", "7.01"]
    first = reading.events[0]
    assert first.severity == 3 and first.reported.isoformat() == "2024-05-06"
    for event in reading.events:
        for evidence in (*event.evidence, *(signal.evidence for signal in event.signals)):
            assert evidence.span.of(filing.text) == evidence.quote
    assert "Ruth Abell resigned" in first.evidence[0].quote


def test_a_missing_model_is_said(no_spacy):
    reading = find_events(read_filing(REPORT.encode(), "r.txt"))
    assert [note.key for note in reading.notes] == ["events_unmarked"]
    assert all(not event.entities for event in reading.events)


@pytest.mark.model("en_core_web_sm")
def test_names_dates_and_amounts_are_marked():
    filing = read_filing(REPORT.encode(), "r.txt")
    event = find_events(filing).events[0]
    found = {(entity.kind, entity.text) for entity in event.entities}
    assert ("PERSON", "Ruth Abell") in found and ("DATE", "May 6, 2024") in found
    assert all(entity.span.of(filing.text) == entity.text for entity in event.entities)


def test_other_forms_have_no_item_events():
    reading = find_events(read_filing(REPORT.replace("FORM 8-K", "FORM 10-K").encode(), "r.txt"))
    assert reading.events == () and reading.notes[0].key == "events_only_8k"


def test_every_item_has_a_severity_and_every_severity_a_name():
    declared = declaration()
    assert set(declared.item_severity) == set(item_names("8-K"))
    assert all(severity_name(severity, "zh") for severity in declared.item_severity.values())
    for signal in declared.signals:
        assert (
            set(signal.names) == {"en", "zh"} and 1 <= signal.severity <= 5 and signal.items <= set(item_names("8-K"))
        )


def test_the_month_of_may_denies_nothing():
    rule = next(signal for signal in declaration().signals if signal.name == "bankruptcy")
    assert rule.fires("On May 6, the Company filed a voluntary petition.", "1.03")
    assert not rule.fires("The Company may file a voluntary petition.", "1.03")
