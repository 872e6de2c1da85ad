"""What the page shows, as plain data: tables as grids, the score as a chart, items as marked text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.finance_risk.events import RiskEvent
from apps.finance_risk.filings import Fact, Filing, Item
from apps.finance_risk.filings.grid import Table
from apps.finance_risk.scores import Score
from apps.finance_risk.scores.altman import DISTRESS_BELOW, SAFE_ABOVE
from core.evidence import CellEvidence
from core.report import Mark
from core.text import Span

_ROWS_AROUND = 60


@dataclass(frozen=True, slots=True)
class GridView:
    """A table for display: only columns with text, headed by their number, each row by its own.

    `marked` is the position of the cell in `rows`; `is_cut` says that the table goes on above or below.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: tuple[int, int] | None
    is_cut: bool


def grid_view(table: Table, cell: CellEvidence) -> GridView:
    """`table` around `cell`."""
    first = max(0, cell.row - _ROWS_AROUND)
    shown = table.rows[first : cell.row + _ROWS_AROUND]
    columns = sorted({printed.column for row in shown for printed in row if printed.text})
    position = {column: index + 1 for index, column in enumerate(columns)}
    rows: list[tuple[str, ...]] = []
    marked: tuple[int, int] | None = None
    for number, row in enumerate(shown, start=first):
        texts = {printed.column: printed.text for printed in row if printed.text}
        if not texts:
            continue
        if number == cell.row and cell.column in position:
            marked = (len(rows), position[cell.column])
        rows.append((f"r{number + 1}", *(texts.get(column, "") for column in columns)))
    return GridView(("", *(f"c{column + 1}" for column in columns)), tuple(rows), marked, len(shown) < len(table.rows))


def fact_cells(fact: Fact) -> tuple[CellEvidence, ...]:
    """The cells a fact rests on."""
    return (fact.evidence,) if isinstance(fact.evidence, CellEvidence) else fact.inputs


def waterfall(score: Score, labels: dict[str, str]) -> dict[str, Any]:
    """A Vega-Lite chart of how the terms add up to the score.

    Args:
        labels: display name of each term and of "total".
    """
    bars = []
    level = 0.0
    for term in score.terms:
        points = float(term.points)
        text = f"{points:+.2f}"
        bars.append({"term": labels[term.symbol], "start": level, "end": level + points, "text": text, "kind": "term"})
        level += points
    bars.append({"term": labels["total"], "start": 0.0, "end": level, "text": f"{level:.2f}", "kind": "total"})
    x = {"field": "term", "type": "nominal", "sort": None, "title": None, "axis": {"labelAngle": 0, "labelLimit": 220}}
    lines = [{"cut": float(DISTRESS_BELOW)}, {"cut": float(SAFE_ABOVE)}]
    return {
        "height": 280,
        "layer": [
            {
                "data": {"values": bars},
                "mark": {"type": "bar", "stroke": "#374151"},
                "encoding": {
                    "x": x,
                    "y": {"field": "start", "type": "quantitative", "title": "Z''"},
                    "y2": {"field": "end"},
                    "color": {
                        "field": "kind",
                        "type": "nominal",
                        "legend": None,
                        "scale": {"domain": ["term", "total"], "range": ["#bfdbfe", "#fcd34d"]},
                    },
                },
            },
            {
                "data": {"values": bars},
                "mark": {"type": "text", "dy": -8, "fontWeight": "bold"},
                "encoding": {"x": x, "y": {"field": "end", "type": "quantitative"}, "text": {"field": "text"}},
            },
            {
                "data": {"values": lines},
                "mark": {"type": "rule", "strokeDash": [6, 4]},
                "encoding": {"y": {"field": "cut", "type": "quantitative"}},
            },
        ],
    }


def item_marks(filing: Filing, item: Item, event: RiskEvent, language: str) -> tuple[str, list[Mark]]:
    """The text of an event's item and its marks: signals, the telling sentence, names; none overlaps another."""
    body = item.span
    marks: list[Mark] = []
    taken: list[Span] = []

    def add(span: Span, label: str, kind: str) -> None:
        if body.contains(span) and not any(span.overlaps(other) for other in taken):
            taken.append(span)
            marks.append(Mark(Span(span.start - body.start, span.end - body.start), label, kind))

    for signal in event.signals:
        add(signal.evidence.span, signal.names[language], "signal")
    for evidence in event.evidence:
        add(evidence.span, "", "event")
    for entity in event.entities:
        add(entity.span, entity.kind, "entity")
    return body.of(filing.text), marks
