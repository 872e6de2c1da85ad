"""What a report is made of: plain text without markup; a format dresses it and escapes it for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.report.highlight import Mark
from core.text import Language


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading below the sheet's title; `level` 2 or 3."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; an `emphasised` one is a warning."""

    text: str
    emphasised: bool = False


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list, under a title of its own where it has one."""

    lines: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a header; a header of empty cells names nothing."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A document with its marks, for formats with colours; text and Markdown leave it out.

    Attributes:
        legend: display name by kind of mark, in display order.
    """

    text: str
    marks: tuple[Mark, ...]
    legend: Mapping[str, str]


Block = Heading | Paragraph | Bullets | Table | MarkedText


@dataclass(frozen=True, slots=True)
class Sheet:
    """A report ready to be set in a format."""

    title: str
    language: Language
    blocks: tuple[Block, ...]
