"""Lines with bands of uncertainty, side by side in one SVG file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#777777")
"""Distinguishable with the usual colour blindnesses (Tol 2021, scheme "bright", a darker grey)."""
_WIDTH, _HEIGHT = 380, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 30, 44


@dataclass(frozen=True, slots=True)
class Line:
    """Points from left to right; `errors` reach as far up as down."""

    title: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    errors: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """A plot of its own; lines at the same place have the same colour in all panels. `logarithmic` is of the x-axis,
    whose values at or below 0 are then left out."""

    title: str
    x_title: str
    y_title: str
    lines: tuple[Line, ...]
    logarithmic: bool = False


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, about `wanted` of them. Raises `ValueError` where high is not above low."""
    if not high > low:
        raise ValueError(f"no room between {low} and {high}")
    rough = (high - low) / wanted
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def draw(panels: Sequence[Panel]) -> str:
    """The SVG, panels in a row, one legend beneath."""
    titles = [line.title for line in panels[0].lines]
    width, height = _WIDTH * len(panels), _HEIGHT + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate({number * _WIDTH} 0)">', *_panel(panel), "</g>"]
    step = (width - _LEFT) / len(titles)
    for number, title in enumerate(titles):
        x, y = _LEFT + number * step, _HEIGHT + 16
        parts.append(f'<path d="M{x:.0f} {y}h18" stroke="{_colour(number)}" stroke-width="3"/>')
        parts.append(f'<text x="{x + 23:.0f}" y="{y + 4}">{escape(title)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel) -> list[str]:
    xs = [x for line in panel.lines for x in line.x if x > 0 or not panel.logarithmic]
    place = math.log10 if panel.logarithmic else float
    low, high = place(min(xs)), place(max(xs))
    bottom = min(y - e for line in panel.lines for y, e in zip(line.y, line.errors, strict=True))
    top = max(y + e for line in panel.lines for y, e in zip(line.y, line.errors, strict=True))
    inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def across(x: float) -> float:
        return _LEFT + (place(x) - low) / (high - low) * inner_width

    def down(y: float) -> float:
        return _TOP + (top - y) / (top - bottom) * inner_height

    parts = [f'<text x="{_LEFT}" y="18" font-weight="bold">{escape(panel.title)}</text>']
    for y in ticks(bottom, top):
        parts.append(f'<path d="M{_LEFT} {down(y):.1f}h{inner_width}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{down(y) + 4:.1f}" text-anchor="end">{y:.3g}</text>')
    for x in _decades(low, high) if panel.logarithmic else ticks(low, high):
        parts.append(f'<path d="M{across(x):.1f} {_TOP}v{inner_height}" stroke="#eee"/>')
        parts.append(f'<text x="{across(x):.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{x:g}</text>')
    middle = _TOP + inner_height / 2
    parts.append(
        f'<text x="{_LEFT + inner_width / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(panel.x_title)}</text>'
    )
    parts.append(
        f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">'
        f"{escape(panel.y_title)}</text>"
    )
    for number, line in enumerate(panel.lines):
        kept = [row for row in zip(line.x, line.y, line.errors, strict=True) if row[0] > 0 or not panel.logarithmic]
        upper = [f"{across(x):.1f} {down(y + e):.1f}" for x, y, e in kept]
        lower = [f"{across(x):.1f} {down(y - e):.1f}" for x, y, e in reversed(kept)]
        path = "M" + "L".join(f"{across(x):.1f} {down(y):.1f}" for x, y, _ in kept)
        parts.append(f'<path d="M{"L".join(upper + lower)}Z" fill="{_colour(number)}" opacity="0.18"/>')
        parts.append(f'<path d="{path}" fill="none" stroke="{_colour(number)}" stroke-width="2"/>')
    return parts


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten between 10^low and 10^high."""
    found = [factor * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for factor in (1, 2, 5)]
    return [x for x in found if low - 1e-9 <= math.log10(x) <= high + 1e-9]


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]
