"""Documents and tables as HTML that nothing inside them can break out of.

All text from documents is escaped here; the only markup is ours. A mark shows its label in words and a border style
of its own, so that no meaning hangs on colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from core.text import Span

_STYLES = (
    ("#dbeafe", "solid", "#1d4ed8"),
    ("#fee2e2", "dashed", "#b91c1c"),
    ("#fef3c7", "dotted", "#b45309"),
    ("#ede9fe", "double", "#6d28d9"),
    ("#e5e7eb", "groove", "#374151"),
    ("#dcfce7", "ridge", "#15803d"),
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A span to highlight. `kind` picks the style, `label` is what a reader sees beside the text."""

    span: Span
    label: str
    kind: str


def highlight_html(text: str, marks: Sequence[Mark], legend: Mapping[str, str]) -> str:
    """`text` with `marks` drawn in, preceded by the legend; overlapping marks keep the earlier, then the longer one.

    Args:
        legend: display name by kind, in display order; a mark of a kind that is not in it raises `KeyError`.
    """
    parts: list[str] = []
    position = 0
    for mark in apart(marks):
        parts.append(escape(text[position : mark.span.start]))
        parts.append(mark_html(mark, escape(mark.span.of(text)), legend))
        position = mark.span.end
    parts.append(escape(text[position:]))
    return (
        f"{legend_html(legend)}<div style='white-space:pre-wrap;line-height:1.9;max-width:60rem'>{''.join(parts)}</div>"
    )


def apart(marks: Iterable[Mark]) -> list[Mark]:
    """Marks in order, of overlapping ones the earlier, then the longer."""
    kept: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (mark.span.start, -mark.span.end)):
        if not kept or mark.span.start >= kept[-1].span.end:
            kept.append(mark)
    return kept


def legend_html(legend: Mapping[str, str]) -> str:
    """The names of the kinds of marks, each in its style."""
    names = (f"<span style='{_style(_colours(kind, legend))}'>{escape(name)}</span>" for kind, name in legend.items())
    return f"<div style='margin-bottom:.6rem'>{' '.join(names)}</div>"


def mark_html(mark: Mark, body: str, legend: Mapping[str, str], *, labelled: bool = True) -> str:
    """`body`, which is HTML, in the style of `mark`; its label after it, where it is the end of what is marked."""
    title = escape(f"{legend[mark.kind]}: {mark.label}", quote=True)
    colours = _colours(mark.kind, legend)
    label = f"<sub style='color:{colours[2]}'> {escape(mark.label)}</sub>" if labelled and mark.label else ""
    return f"<mark style='{_style(colours)}' title='{title}'>{body}{label}</mark>"


def table_html(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    caption: str = "",
    marked: tuple[int, int] | None = None,
) -> str:
    """A scrollable table of plain text. `marked` is the (row, column) of a cell to point out."""
    head = "".join(f"<th scope='col' style='{_CELL};text-align:left'>{escape(name)}</th>" for name in header)
    body = []
    for index, row in enumerate(rows):
        cells = []
        for column, cell in enumerate(row):
            pointed = marked == (index, column)
            style = f"{_CELL};{_POINTED}" if pointed else _CELL
            cells.append(f"<td style='{style}'>{'▶ ' if pointed else ''}{escape(cell)}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    title = f"<caption style='text-align:left;padding:.3rem 0'>{escape(caption)}</caption>" if caption else ""
    heading = f"<thead><tr>{head}</tr></thead>" if header else ""
    return (
        f"<div style='overflow:auto;max-height:32rem'><table style='border-collapse:collapse'>{title}{heading}"
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


_CELL = "border:1px solid #9ca3af55;padding:.25rem .6rem;vertical-align:top"
_POINTED = "outline:3px solid #b45309;background:#fef3c7;color:#111;white-space:nowrap"


def _colours(kind: str, legend: Mapping[str, str]) -> tuple[str, str, str]:
    return _STYLES[list(legend).index(kind) % len(_STYLES)]


def _style(style: tuple[str, str, str]) -> str:
    background, border, colour = style
    return f"background:{background};color:#111;border-bottom:3px {border} {colour};padding:0 .15rem;border-radius:3px"
