"""What a displayed claim points at.

Four kinds cover the three products: a stretch of text, a cell of a table, an edge of a knowledge graph, a rule.
Each can `describe` itself in one line, in either language; pages and reports render that and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.text import Language, Span


@dataclass(frozen=True, slots=True)
class TextEvidence:
    """A quotation: `span` is into the original text of the document named `document_id`."""

    document_id: str
    span: Span
    quote: str

    def describe(self, language: Language = "en") -> str:
        quote = f"「{self.quote}」" if language == "zh" else f"“{self.quote}”"
        return f"{self.document_id} [{self.span.start}–{self.span.end}]: {quote}"


@dataclass(frozen=True, slots=True)
class CellEvidence:
    """A table cell. `table`, `row`, `column` count from 0 in document order; `text` is the cell as printed."""

    document_id: str
    table: int
    row: int
    column: int
    text: str
    row_label: str = ""
    column_label: str = ""
    table_title: str = ""

    def describe(self, language: Language = "en") -> str:
        numbers = (self.table + 1, self.row + 1, self.column + 1)
        english, chinese = "table {}, row {} “{}”, column {} “{}”", "表 {}，第 {} 行「{}」，第 {} 列「{}」"
        where = chinese if language == "zh" else english
        place = where.format(numbers[0], numbers[1], self.row_label, numbers[2], self.column_label)
        return f"{self.document_id}, {place}: {self.text}"


@dataclass(frozen=True, slots=True)
class EdgeEvidence:
    """An edge of a knowledge graph with the sources (PMIDs, ontology release) that assert it."""

    subject: str
    predicate: str
    object: str
    sources: tuple[str, ...]
    detail: str = ""

    def describe(self, language: Language = "en") -> str:
        detail = f" ({self.detail})" if self.detail else ""
        unsourced = "无来源" if language == "zh" else "no source"
        return f"{self.subject} —{self.predicate}→ {self.object}{detail}; {', '.join(self.sources) or unsourced}"


@dataclass(frozen=True, slots=True)
class RuleEvidence:
    """A rule or formula that fired, with the numbers that went in."""

    rule: str
    explanation: str

    def describe(self, language: Language = "en") -> str:
        return f"{self.rule}{'：' if language == 'zh' else ': '}{self.explanation}"


Evidence = TextEvidence | CellEvidence | EdgeEvidence | RuleEvidence
