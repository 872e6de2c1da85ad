"""HTML: what a reader of the page would see, with its headings, lists and tables.

The parser fetches nothing and runs nothing. Scripts, styles, embedded media, form controls, navigation and elements
that are hidden (`hidden`, `display: none`, `visibility: hidden` on the element) are left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.errors import UnreadableFile
from core.files import decode_text
from core.retrieval.formats.parsed import Parsed

if TYPE_CHECKING:
    from lxml.etree import _Element

_LEFT_OUT = re.compile(
    r"script|style|noscript|template|iframe|frame|object|embed|applet|svg|math|canvas|audio|video|head|nav|"
    r"select|textarea|input|button|datalist"
)
_BLOCK = re.compile(
    r"p|div|section|article|main|header|footer|aside|address|blockquote|figure|figcaption|dl|dt|dd|form|fieldset|"
    r"body|html|center|details|summary|hr"
)
_APART = re.compile(rf"{_BLOCK.pattern}|h[1-6]|br|li|td|th|tr|table|ul|ol|pre")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_-]+)|<\?xml[^>]{0,100}encoding=[\"']([\w-]+)"
)
_CODECS = {  # names a page may declare -> Python's codec; UTF-8, UTF-16 and the GB family go through decode_text
    "big5": "big5hkscs",
    "big5-hkscs": "big5hkscs",
    "iso-8859-1": "cp1252",
    "windows-1252": "cp1252",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "iso-8859-15": "iso8859-15",
}


def read_html(data: bytes, name: str) -> list[Parsed]:
    """The visible text, headings as `#`, list items as `-` or `1.`, tables as `|` rows.

    Raises:
        UnreadableFile: no text, an unknown encoding, or elements nested beyond what the parser follows (256 deep).
    """
    from lxml import etree

    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=False, recover=True
    )
    root = etree.fromstring(_decode(data, name).encode("utf-8", "replace"), parser)
    if any("depth" in entry.message for entry in parser.error_log):
        raise UnreadableFile(f"'{name}' nests its elements too deeply.", hint="Save the page anew, or as plain text.")
    if root is None:
        raise UnreadableFile(f"'{name}' holds no HTML.", hint="Check that it is a saved web page.")
    writer = _Writer()
    writer.element(root)
    title = root.findtext(".//title") or root.findtext(".//h1") or ""
    return [Parsed(writer.text(), " ".join(title.split()))]


def _decode(data: bytes, name: str) -> str:
    found = _CHARSET.search(data[:4096])
    declared = (found.group(1) or found.group(2)).decode("ascii").lower() if found else ""
    if declared in _CODECS and not _is_utf8(data):
        try:
            return data.decode(_CODECS[declared])
        except UnicodeDecodeError as error:
            raise UnreadableFile(
                f"'{name}' says it is in {declared} and is not.", hint="Save the page as UTF-8."
            ) from error
    return decode_text(data, name)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class _Writer:
    """Collects blocks of text while walking the tree; `_line` is the paragraph being written."""

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._line: list[str] = []

    def text(self) -> str:
        self._end_line()
        return "\n\n".join(self._blocks) + "\n"

    def element(self, element: _Element) -> None:
        tag = _tag(element)
        if _LEFT_OUT.fullmatch(tag) or _is_hidden(element):
            return
        if re.fullmatch(r"h[1-6]", tag):
            self._block(f"{'#' * int(tag[1])} {_flat(element)}", empty=not _flat(element))
        elif tag in ("ul", "ol", "menu"):
            lines = list(_list_lines(element, 0))
            self._block("\n".join(lines), empty=not lines)
        elif tag == "table":
            self._table(element)
        elif tag == "pre":
            code = "".join(str(piece) for piece in element.itertext()).strip("\n")
            fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", code)), default=0))
            self._block(f"{fence}\n{code}\n{fence}", empty=not code.strip())
        elif tag == "br":
            self._line.append("\n")
        elif _BLOCK.fullmatch(tag):
            self._end_line()
            self._content(element)
            self._end_line()
        else:
            self._content(element)

    def _content(self, element: _Element) -> None:
        self._line.append(_spaced(element.text))
        for child in element:
            self.element(child)
            self._line.append(_spaced(child.tail))

    def _table(self, table: _Element) -> None:
        """A table of data as rows; one that only lays out a page is read cell by cell."""
        rows = [row for row in table.iter("tr") if _owner(row, "table") is table and not _is_hidden(row)]
        cells = [[cell for cell in row if _tag(cell) in ("td", "th")] for row in rows]
        layout = any(cell.find(".//table") is not None for row in cells for cell in row)
        if layout or max((sum(1 for cell in row if _flat(cell)) for row in cells), default=0) < 2:
            for cell in (cell for row in cells for cell in row):
                self._end_line()
                self._content(cell)
            self._end_line()
            return
        grid = [[_flat(cell).replace("|", "¦") for cell in row] for row in cells]
        width = max(map(len, grid))
        used = [any(at < len(row) and row[at] for row in grid) for at in range(width)]
        lines = [
            "| " + " | ".join(row[at] if at < len(row) else "" for at in range(width) if used[at]) + " |"
            for row in grid
            if any(row)
        ]
        caption = table.findtext("caption")
        self._block("\n".join([*([" ".join(caption.split()), ""] if caption else []), *lines]))

    def _block(self, text: str, *, empty: bool = False) -> None:
        self._end_line()
        if not empty:
            self._blocks.append(text)

    def _end_line(self) -> None:
        lines = "".join(self._line).split("\n")
        text = "\n".join(line for line in (" ".join(line.split()) for line in lines) if line)
        self._line = []
        if text:
            self._blocks.append(text)


def _list_lines(element: _Element, depth: int) -> list[str]:
    lines: list[str] = []
    number = 0
    for item in element:
        if _tag(item) in ("ul", "ol", "menu"):
            lines.extend(_list_lines(item, depth + 1))
        elif not _LEFT_OUT.fullmatch(_tag(item)) and not _is_hidden(item):
            number += 1
            mark = f"{number}." if _tag(element) == "ol" else "-"
            nested = [child for child in item.iter("ul", "ol", "menu") if _owner(child, "li") is item]
            text = _flat(item, without=frozenset(nested))
            if text:
                lines.append(f"{'  ' * depth}{mark} {text}")
            for inner in nested:
                lines.extend(_list_lines(inner, depth + 1))
    return lines


def _flat(element: _Element, without: frozenset[_Element] = frozenset()) -> str:
    """The visible text of an element on one line."""
    pieces: list[str] = []
    _collect(element, pieces, without)
    return " ".join("".join(pieces).split())


def _collect(element: _Element, pieces: list[str], without: frozenset[_Element]) -> None:
    pieces.append(element.text or "")
    for child in element:
        tag = _tag(child)
        if child not in without and not _LEFT_OUT.fullmatch(tag) and not _is_hidden(child):
            apart = " " if _APART.fullmatch(tag) else ""
            pieces.append(apart)
            _collect(child, pieces, without)
            pieces.append(apart)
        pieces.append(child.tail or "")


def _owner(element: _Element, tag: str) -> _Element | None:
    return next(iter(element.iterancestors(tag)), None)


def _tag(element: _Element) -> str:
    return element.tag.lower() if isinstance(element.tag, str) else ""


def _is_hidden(element: _Element) -> bool:
    return element.get("hidden") is not None or bool(_HIDDEN.search(element.get("style") or ""))


def _spaced(text: str | None) -> str:
    return (text or "").replace("\n", " ").replace("\r", " ")
