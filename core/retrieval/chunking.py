"""From documents to passages, along the structure of the text.

A section (what stands between two headings) is the natural passage. Its blocks are packed up to a target size; lists
and tables stay whole while they fit the maximum; what is longer is cut between rows, items or sentences, and only a
single sentence beyond the maximum is cut inside. Headings belong to the passage that follows them, so passages cover
every character of the document that is not white space, in order and without overlap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from core.retrieval.blocks import Block, markup_of, read_blocks
from core.retrieval.passages import Passage
from core.text import Document, Span, detect_language, split_sentences
from core.text.tokens import approximate_tokens

CHUNKING_VERSION = 1
"""Raised whenever `chunk` cuts differently, so that stored passages are made again."""


@dataclass(frozen=True, slots=True)
class Chunking:
    """Sizes of passages in approximate tokens. The maximum keeps a passage inside a 512-token encoder.

    A heading may come on top of the maximum, by up to half the target.
    """

    target_tokens: int = 200
    maximum_tokens: int = 350

    def __post_init__(self) -> None:
        if not 1 <= self.target_tokens <= self.maximum_tokens:
            raise ValueError("chunking needs 1 <= target_tokens <= maximum_tokens")


@dataclass(slots=True)
class _Section:
    """The blocks between two headings. `headings` are the heading lines right before it, part of its text."""

    path: tuple[str, ...]
    headings: list[Block] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of text on its way into a passage. `tokens` is an upper bound once pieces were joined."""

    span: Span
    tokens: int
    table_header: str = ""
    alone: bool = False  # a row of a sheet is a passage of its own

    def joined(self, other: _Piece) -> _Piece:
        span = Span(self.span.start, other.span.end)
        return _Piece(span, self.tokens + other.tokens, self.table_header, self.alone)


def chunk(document: Document, chunking: Chunking = Chunking()) -> list[Passage]:
    """The passages of `document`, in order.

    Metadata is handed on, but for `questions` (wordings, one a line), which become `Passage.questions` of the first
    passage: they ask for the document as a whole, and its beginning is what answers them.
    """
    metadata = {key: value for key, value in document.metadata.items() if key != "questions"}
    questions = tuple(line for line in document.metadata.get("questions", "").split("\n") if line)
    passages: list[Passage] = []
    for section in _sections(read_blocks(document.text, markup_of(document)), document.title):
        for piece in _pack(section, document.text, chunking):
            passages.append(_passage(document, section.path, piece, metadata, () if passages else questions))
    return passages


def _passage(
    document: Document, path: tuple[str, ...], piece: _Piece, metadata: dict[str, str], questions: tuple[str, ...]
) -> Passage:
    text = piece.span.of(document.text)
    own = dict(metadata)
    if metadata.get("format") == "pdf":
        own["page"] = str(document.text.count("\f", 0, piece.span.start) + 1)
    if piece.table_header:
        own["table_header"] = piece.table_header
    if "language" in metadata:
        language = document.language
    else:
        language = detect_language(text, default="zh" if document.language == "zh" else "en")
    return Passage(document.id, piece.span, text, language, document.title, document.source, path, own, questions)


def _sections(blocks: list[Block], title: str) -> Iterator[_Section]:
    """Sections with their heading paths. The document's own title, repeated as a heading, is left out of the path."""
    stack: list[Block] = []
    section = _Section(())
    for block in blocks:
        if block.kind != "heading":
            section.blocks.append(block)
            continue
        if section.blocks:
            yield section
            section = _Section(())
        while stack and stack[-1].level >= block.level:
            stack.pop()
        stack.append(block)
        section.headings.append(block)
        section.path = tuple(heading.title for heading in stack if heading.title and heading.title != title)
    if section.blocks or section.headings:
        yield section


def _pack(section: _Section, text: str, chunking: Chunking) -> Iterator[_Piece]:
    """Pieces of a section: whole blocks joined up to the target size, the headings with the first of them."""
    head = [piece for heading in section.headings for piece in _split(heading, text, chunking)]
    body = [piece for block in section.blocks for piece in _split(block, text, chunking)]
    head_end = head[-1].span.end if head else 0
    current: _Piece | None = None
    for piece in [*head, *body]:
        if current is None:
            current = piece
            continue
        only_heading = current.span.end <= head_end
        limit = chunking.maximum_tokens + chunking.target_tokens // 2 if only_heading else chunking.target_tokens
        if current.tokens + piece.tokens <= limit and not (piece.alone or current.alone):
            current = current.joined(piece)
        else:
            yield current
            current = piece
    if current is not None:
        yield current


def _split(block: Block, text: str, chunking: Chunking) -> list[_Piece]:
    """The block as one piece while it fits, else cut at its own seams and packed again."""
    alone = block.kind == "row"
    fits = chunking.target_tokens if block.kind == "paragraph" else chunking.maximum_tokens
    tokens = approximate_tokens(block.span.of(text))
    if tokens <= fits:
        return [_Piece(block.span, tokens, alone=alone)]
    if block.kind in ("paragraph", "heading"):
        seams = [span.shift(block.span.start) for span in split_sentences(block.span.of(text))]
    else:
        seams = _lines(block.span, text)
    header = seams[0].of(text) if block.kind == "table" else ""
    if approximate_tokens(header) > chunking.maximum_tokens // 4:
        header = ""
    pieces: list[_Piece] = []
    for span in (part for seam in seams for part in _cut(seam, text, chunking.maximum_tokens)):
        piece = _Piece(span, approximate_tokens(span.of(text)), header if pieces else "", alone)
        if pieces and pieces[-1].tokens + piece.tokens <= chunking.target_tokens:
            pieces[-1] = pieces[-1].joined(piece)
        else:
            pieces.append(piece)
    return pieces


def _lines(span: Span, text: str) -> list[Span]:
    spans: list[Span] = []
    start = span.start
    for line in span.of(text).splitlines(keepends=True):
        stripped = line.strip()
        if stripped:
            first = start + line.index(stripped)
            spans.append(Span(first, first + len(stripped)))
        start += len(line)
    return spans


def _cut(span: Span, text: str, maximum_tokens: int) -> Iterator[Span]:
    """`span` in parts of at most `maximum_tokens`, cut at sentence ends, else at white space, else anywhere."""
    if approximate_tokens(span.of(text)) <= maximum_tokens:
        yield span
        return
    sentences = [sentence.shift(span.start) for sentence in split_sentences(span.of(text))]
    if len(sentences) > 1:
        for sentence in sentences:
            yield from _cut(sentence, text, maximum_tokens)
        return
    start = span.start
    while start < span.end:
        stop = min(span.end, start + max(1, maximum_tokens * 4 // 5))  # no character counts for more than 1.2 tokens
        space = max(text.rfind(" ", start + 1, stop), text.rfind("\n", start + 1, stop))
        if stop < span.end and space > start:
            stop = space
        yield Span(start, start + len(text[start:stop].rstrip()))
        start = stop
        while start < span.end and text[start].isspace():
            start += 1
