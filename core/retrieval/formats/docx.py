"""Word documents (.docx), read from their XML (ECMA-376 part 1, section 17).

The text is what stands after accepting all tracked changes. Headers, footers, comments and pictures are left out;
footnotes and endnotes follow at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from core.errors import UnreadableFile
from core.retrieval.formats.office import open_office, read_xml
from core.retrieval.formats.parsed import Parsed

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_LEFT_OUT = {f"{_W}del", f"{_W}moveFrom", f"{_W}instrText", f"{_MC}Fallback", f"{_W}pPr", f"{_W}rPr"}
_MAIN = "word/document.xml"
_NOTES = {"word/footnotes.xml": "footnote", "word/endnotes.xml": "endnote"}


def read_docx(data: bytes, name: str) -> list[Parsed]:
    """Text with headings as `#`, list items as `-`, tables as `|` rows.

    Raises:
        UnreadableFile: broken, encrypted, no Word document, or nested too deeply.
        FileTooLarge: see `core.retrieval.formats.office.open_office`.
    """
    with open_office(data, name, _MAIN) as archive:
        root = read_xml(archive, _MAIN, name)
        styles = read_xml(archive, "word/styles.xml", name)
        notes = [(kind, read_xml(archive, part, name)) for part, kind in _NOTES.items()]
    body = root.find(f"{_W}body") if root is not None else None
    if body is None:
        raise UnreadableFile(f"'{name}' has no document body.", hint="Save it again.")
    levels = _heading_levels(styles)
    try:
        blocks = list(_blocks(body, levels))
        for kind, part in notes:
            for note in part.findall(f"{_W}{kind}") if part is not None else ():
                if note.get(f"{_W}type") is None:  # the typed ones are separators
                    blocks.append(" ".join(_blocks(note, {})))
    except RecursionError as error:
        raise UnreadableFile(f"'{name}' nests its parts too deeply.", hint="Save it as plain text.") from error
    return [Parsed(_join(blocks) + "\n")]


def _blocks(container: Element, levels: dict[str, int]) -> Iterator[str]:
    for child in container:
        if child.tag == f"{_W}p":
            text = _text(child)
            if text:
                yield _mark(child, levels) + text
        elif child.tag == f"{_W}tbl":
            rows = [_cells(row) for row in child.iter(f"{_W}tr")]
            lines = [f"| {' | '.join(row)} |" for row in rows if any(row)]
            if lines:
                yield "\n".join(lines)
        elif child.tag not in _LEFT_OUT:  # content controls, tracked insertions and the like
            yield from _blocks(child, levels)


def _join(blocks: list[str]) -> str:
    """Blank lines between blocks, none between the items of a list."""
    text = ""
    before = ""
    for block in blocks:
        both_items = before.startswith("- ") and block.startswith("- ")
        text += ("\n" if both_items else "\n\n") + block if text else block
        before = block
    return text


def _mark(paragraph: Element, levels: dict[str, int]) -> str:
    properties = paragraph.find(f"{_W}pPr")
    if properties is None:
        return ""
    outline = properties.find(f"{_W}outlineLvl")
    style = properties.find(f"{_W}pStyle")
    level = _outline_level(outline) or levels.get(style.get(f"{_W}val", "") if style is not None else "", 0)
    if level:
        return "#" * min(level, 6) + " "
    return "- " if properties.find(f"{_W}numPr") is not None else ""


def _text(paragraph: Element) -> str:
    lines = (line.strip() for line in "".join(_pieces(paragraph)).split("\n"))
    return "\n".join(line for line in lines if line)


def _pieces(element: Element) -> Iterator[str]:
    for child in element:
        if child.tag == f"{_W}t":
            yield child.text or ""
        elif child.tag in (f"{_W}tab", f"{_W}ptab"):
            yield "\t"
        elif child.tag in (f"{_W}br", f"{_W}cr"):
            yield "\n"
        elif child.tag == f"{_W}noBreakHyphen":
            yield "-"
        elif child.tag not in _LEFT_OUT:
            yield from _pieces(child)
            if child.tag == f"{_W}p":  # a paragraph inside a text box
                yield "\n"


def _cells(row: Element) -> list[str]:
    cells = []
    for cell in row.iter(f"{_W}tc"):
        texts = (_text(paragraph) for paragraph in cell.iter(f"{_W}p"))
        cells.append(" ".join(" ".join(texts).split()).replace("|", "¦"))
    return cells


def _heading_levels(styles: Element | None) -> dict[str, int]:
    """Heading level by style id, from the style's outline level or its name ("heading 2", "标题 2")."""
    levels: dict[str, int] = {}
    for style in styles.iter(f"{_W}style") if styles is not None else ():
        identifier = style.get(f"{_W}styleId", "")
        name = style.find(f"{_W}name")
        named = re.fullmatch(r"(?:heading|标题) ?([1-9])", name.get(f"{_W}val", "") if name is not None else "", re.I)
        level = _outline_level(style.find(f"{_W}pPr/{_W}outlineLvl")) or (int(named.group(1)) if named else 0)
        if level:
            levels[identifier] = level
    return levels


def _outline_level(outline: Element | None) -> int:
    """1 for the highest level, 0 for body text. The file counts from 0, and 9 is body text."""
    value = outline.get(f"{_W}val", "9") if outline is not None else "9"
    return int(value) + 1 if value.isdigit() and int(value) < 9 else 0
