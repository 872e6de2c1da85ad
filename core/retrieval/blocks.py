"""Blocks: the headings, paragraphs, lists, tables and code of a text, read line by line.

Loaders write what they read in one plain convention, that of Markdown (`# heading`, `- item`, `| cell |`), so this
one reader serves every format. In text without markup (`.txt`, PDF) only blank lines, page breaks, numbered chapter
lines and lists are trusted: a `#` there is no heading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from core.text import Document, Span

Kind = Literal["heading", "paragraph", "list", "table", "code", "row"]
Markup = Literal["markdown", "plain", "rows"]

_LINE = re.compile(r"[^\n\f]*[\n\f]?")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+")
_ITEM = re.compile(
    r"[ \t]*(?:(?:[-*+]|\(?\d{1,3}[.)])[ \t]+|[•·][ \t]*|\d{1,3}、|[（(][一二三四五六七八九十\d]+[）)])(?=\S)"
)
_RULE = re.compile(r" {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$")
_CHAPTER = re.compile(
    r"[ \t]*(?:(?P<han>第[一二三四五六七八九十百零\d]+(?P<unit>[编章节条])[ \t　]*)|"
    r"(?P<word>(?i:chapter|part|section|article|item)[ \t]+(?:\d+[A-Z]?|[IVXLC]+)(?:[.:]|(?=\s|$))[ \t]*)|"
    r"(?P<number>\d+(?:\.\d+){0,3})[ \t]+)(?P<title>.{0,70})$"
)
_HAN_LEVELS = {"编": 1, "章": 1, "节": 2, "条": 3}
_RULE_ROW = re.compile(r"[\s|:-]+")
EMPHASIS = re.compile(r"(\*\*|__|`)(.+?)\1")
"""Words between marks of emphasis or code; group 2 without the marks."""
_MARKUP_BY_FORMAT: dict[str, Markup] = {"text": "plain", "pdf": "plain", "csv": "rows", "xlsx": "rows"}
_SENTENCE_END = "。！？；，.!?;,:：、"


@dataclass(frozen=True, slots=True)
class Block:
    """A structural unit. `level` and `title` are set for headings; `span` has no white space at its ends."""

    kind: Kind
    span: Span
    level: int = 0
    title: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    text: str

    @property
    def blank(self) -> bool:
        return not self.text.strip()


def read_blocks(text: str, markup: Markup = "markdown") -> list[Block]:
    """The blocks of `text`: in order, without overlap, together covering every character that is not white space.

    `markup` is "markdown", "plain" (no marks but blank lines and numbering) or "rows" (blank-line separated records).
    """
    lines = [_Line(match.start(), match.group()) for match in _LINE.finditer(text) if match.group()]
    readers = {"markdown": _markdown_blocks, "plain": _plain_blocks, "rows": _row_blocks}
    return list(readers[markup](lines))


def markup_of(document: Document) -> Markup:
    """What the loader of `document` left in its text."""
    return _MARKUP_BY_FORMAT.get(document.metadata.get("format", ""), "markdown")


def list_items(text: str, block: Block) -> list[tuple[Span, Span]]:
    """Marker and body of each item of a list, in order; a body has its wrapped lines and no white space around it."""
    starts = [
        (block.span.start + line.start(), block.span.start + line.start() + marker.end())
        for line in _LINE.finditer(block.span.of(text))
        if (marker := _ITEM.match(line.group()))
    ]
    ends = [*(start for start, _ in starts[1:]), block.span.end]
    return [
        (_stripped(text, start, body), _stripped(text, body, end))
        for (start, body), end in zip(starts, ends, strict=True)
    ]


def table_cells(text: str, block: Block) -> list[list[Span]]:
    """The cells of a table row by row, without the line of dashes; no span has white space around it."""
    rows = []
    for line in _LINE.finditer(block.span.of(text)):
        row = _stripped(text, block.span.start + line.start(), block.span.start + line.end())
        if len(row) and not _RULE_ROW.fullmatch(row.of(text)):
            start = row.start + row.of(text).startswith("|")
            stop = max(start, row.end - row.of(text).endswith("|"))
            bars = [at for at in range(start, stop) if text[at] == "|"]
            edges = zip([start, *(bar + 1 for bar in bars)], [*bars, stop], strict=True)
            rows.append([_stripped(text, left, right) for left, right in edges])
    return rows


def heading_title(line: str) -> str:
    """The words of a `# heading #` line."""
    return line.strip().lstrip("#").rstrip("#").strip()


def _markdown_blocks(lines: list[_Line]) -> Iterator[Block]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.blank:
            at += 1
        elif fence := _FENCE.match(line.text):
            stop = _after_fence(lines, at, fence.group(1))
            yield _block("code", lines[at:stop])
            at = stop
        elif heading := _HEADING.match(line.text):
            yield _block("heading", [line], level=len(heading.group(1)), title=heading_title(line.text))
            at += 1
        elif _starts_table(lines, at):
            stop = _while(lines, at, lambda following: "|" in following.text)
            yield _block("table", lines[at:stop])
            at = stop
        elif _ITEM.match(line.text) and not _RULE.match(line.text):
            stop = _after_list(lines, at)
            yield _block("list", lines[at:stop])
            at = stop
        else:
            stop = _after_paragraph(lines, at)
            underline = lines[stop].text.strip() if stop < len(lines) else ""
            if stop == at + 1 and re.fullmatch(r"=+|-{2,}", underline):  # a setext heading
                yield _block(
                    "heading", lines[at : stop + 1], level=1 if underline[0] == "=" else 2, title=line.text.strip()
                )
                stop += 1
            else:
                yield _block("paragraph", lines[at:stop])
            at = stop


def _plain_blocks(lines: list[_Line]) -> Iterator[Block]:
    at = 0
    while at < len(lines):
        if lines[at].blank:
            at += 1
            continue
        chapter = _chapter(lines, at)
        if chapter:
            yield chapter
            at += 1
        elif _ITEM.match(lines[at].text):
            stop = _after_list(lines, at)
            yield _block("list", lines[at:stop])
            at = stop
        else:
            stop = at + 1
            while stop < len(lines) and not _ends_paragraph(lines, stop) and not _ITEM.match(lines[stop].text):
                stop += 1
            yield _block("paragraph", lines[at:stop])
            at = stop


def _row_blocks(lines: list[_Line]) -> Iterator[Block]:
    at = 0
    while at < len(lines):
        if lines[at].blank:
            at += 1
            continue
        stop = _while(lines, at, lambda following: not following.blank)
        yield _block("row", lines[at:stop])
        at = stop


def _block(kind: Kind, lines: list[_Line], *, level: int = 0, title: str = "") -> Block:
    raw = "".join(line.text for line in lines)
    start = lines[0].start + len(raw) - len(raw.lstrip())
    return Block(kind, Span(start, start + len(raw.strip())), level, title)


def _stripped(text: str, start: int, end: int) -> Span:
    raw = text[start:end]
    start += len(raw) - len(raw.lstrip())
    return Span(start, max(start, start + len(raw.strip())))


def _while(lines: list[_Line], at: int, holds: Callable[[_Line], bool]) -> int:
    stop = at + 1
    while stop < len(lines) and not lines[stop].blank and holds(lines[stop]):
        stop += 1
    return stop


def _after_fence(lines: list[_Line], at: int, mark: str) -> int:
    for stop in range(at + 1, len(lines)):
        stripped = lines[stop].text.strip()
        if stripped.startswith(mark) and not stripped.strip(mark[0]):
            return stop + 1
    return len(lines)


def _starts_table(lines: list[_Line], at: int) -> bool:
    if lines[at].text.lstrip().startswith("|"):
        return True
    following = lines[at + 1].text.strip() if at + 1 < len(lines) else ""
    return "|" in lines[at].text and "|" in following and re.fullmatch(r"[\s|:-]+", following) is not None


def _after_list(lines: list[_Line], at: int) -> int:
    """End of the list that starts at `at`: items, their wrapped or indented lines, single blank lines between items."""
    stop = at + 1
    while stop < len(lines):
        line = lines[stop]
        if line.text.startswith("\f") or lines[stop - 1].text.endswith("\f"):
            break
        if line.blank:
            goes_on = stop + 1 < len(lines) and (
                _ITEM.match(lines[stop + 1].text) or re.match(r"[ \t]{2,}\S", lines[stop + 1].text)
            )
            if not goes_on:
                break
        elif _HEADING.match(line.text) or _FENCE.match(line.text) or _starts_table(lines, stop):
            break
        stop += 1
    return stop


def _after_paragraph(lines: list[_Line], at: int) -> int:
    stop = at + 1
    while stop < len(lines):
        line = lines[stop]
        if line.blank or _HEADING.match(line.text) or _FENCE.match(line.text) or _starts_table(lines, stop):
            break
        if _ITEM.match(line.text) or re.fullmatch(r"=+|-{2,}", line.text.strip()):
            break
        stop += 1
    return stop


def _ends_paragraph(lines: list[_Line], at: int) -> bool:
    return lines[at].blank or lines[at - 1].text.endswith("\f") or _chapter(lines, at) is not None


def _chapter(lines: list[_Line], at: int) -> Block | None:
    """A numbered heading of unmarked text: short, alone on its line after a blank line, no sentence mark at its end."""
    line = lines[at]
    found = _CHAPTER.match(line.text.rstrip("\n\f"))
    alone = at == 0 or lines[at - 1].blank or lines[at - 1].text.endswith("\f")
    if not (found and alone) or line.text.rstrip().endswith(tuple(_SENTENCE_END)):
        return None
    if found["number"]:
        level = found["number"].count(".") + 1
        if not found["title"][:1].strip() or found["title"][0].isdigit():
            return None
    else:
        level = _HAN_LEVELS[found["unit"]] if found["han"] else 1
        if len(found["title"]) > 40:
            return None
    return _block("heading", [line], level=level, title=line.text.strip())
