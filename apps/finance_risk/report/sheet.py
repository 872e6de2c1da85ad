"""A risk report laid out as headings, paragraphs, lists and tables, in one language."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from apps.finance_risk.events import RiskEvent, severity_name
from apps.finance_risk.filings import Fact, Filing, Item, Named
from apps.finance_risk.filings.items import item_names
from apps.finance_risk.filings.lines import STATEMENT_NAMES, line_title
from apps.finance_risk.matters.reading import MAX_MATTERS, Matter, MatterReading
from apps.finance_risk.report.analysis import RiskReport
from apps.finance_risk.report.words import amount, fact_address, word
from apps.finance_risk.scores import Score
from apps.finance_risk.scores.altman import FORMULA
from core.report import Block, Bullets, Heading, Paragraph, Sheet, Table
from core.text import Language

if TYPE_CHECKING:
    from core.inference.summary import Summary


def build_sheet(report: RiskReport, language: Language, summary: Summary | None = None) -> Sheet:
    """The whole report on one filing, with a summary in sentences where there is one."""
    filing = report.filing
    company = filing.cover.company.value if filing.cover.company else filing.name
    return Sheet(
        word("title", language, company),
        language,
        (
            Paragraph(word("notice", language)),
            _cover(filing, language),
            *(_summary_blocks(summary, language) if summary else ()),
            Heading(word("score", language)),
            *score_blocks(report.score, filing.name, language),
            Heading(word("events", language)),
            *event_blocks(report, language),
            *([Heading(word("matters", language))] if report.matters.matters else []),
            *matter_blocks(report.matters, language),
            Heading(word("facts", language)),
            *fact_blocks(filing, language),
            Heading(word("unknowns", language)),
            unknown_block(filing, language),
            Heading(word("statements", language)),
            *_statement_blocks(filing, language),
            Heading(word("items", language)),
            *_item_blocks(filing, language),
        ),
    )


def _cover(filing: Filing, language: Language) -> Table:
    def row(key: str, named: Named | None) -> tuple[str, str, str]:
        if named is None:
            return word(key, language), word("unknown_value", language), ""
        return word(key, language), named.value, named.evidence.describe(language)

    cover = filing.cover
    rows = (
        (word("file", language), filing.name, ""),
        row("form", cover.form),
        row("company", cover.company),
        row("period_end", cover.period_end),
    )
    return Table(("", "", word("source", language)), rows)


def score_blocks(score: Score, file_name: str, language: Language) -> list[Block]:
    """The score with its formula, substitution and cells; or why there is none."""
    remarks = [message.text(language) for message in score.notes]
    if score.value is None or score.period is None:
        reasons = tuple(message.text(language) for message in score.reasons)
        shown: list[Block] = [Paragraph(word("score_unknown", language)), Bullets(reasons)]
        if score.reason_evidence:
            shown.append(Bullets(tuple(evidence.describe(language) for evidence in score.reason_evidence)))
        return shown
    zone = word(f"zone_{score.zone}", language)
    rows = tuple(
        (
            word(term.symbol, language),
            term.substitution,
            f"{term.ratio:.4f}",
            f"{term.weight}",
            f"{term.points:+.3f}",
            "; ".join(f"{line_title(fact.concept, language)} {fact_address(fact)}" for fact in term.facts),
        )
        for term in score.terms
    )
    header = tuple(word(key, language) for key in ("term", "substitution", "ratio", "weight", "points", "cells"))
    return [
        Paragraph(word("score_value", language, f"{score.value:.2f}", score.period.describe(language), zone)),
        Paragraph(FORMULA),
        Table(header, rows),
        Bullets((word("score_scope", language), *remarks)),
    ]


def event_blocks(report: RiskReport, language: Language) -> list[Block]:
    """Events with their quoted sentences; notes on how they were found."""
    blocks: list[Block] = []
    for event in report.events.events:
        blocks += [Paragraph(event_headline(event, language)), Bullets(_event_lines(event, language))]
    if report.events.notes:
        blocks.append(Bullets(tuple(note.text(language) for note in report.events.notes)))
    return blocks


def _summary_blocks(summary: Summary, language: Language) -> list[Block]:
    header = (word("sentence", language), word("words_by", language))
    rows = tuple((told.text, told.whose(language)) for told in summary.told)
    return [Heading(word("summary", language)), Paragraph(summary.note(language)), Table(header, rows)]


def matter_blocks(reading: MatterReading, language: Language) -> list[Block]:
    """Each matter with its sentence and its roles; nothing where there is no matter."""
    if not reading.matters:
        return []
    blocks: list[Block] = [Paragraph(word("matters_rules", language))]
    if reading.model:
        blocks.append(Paragraph(word("matters_model", language, reading.model, reading.dropped, reading.failed)))
    for matter in reading.matters:
        blocks += [
            Paragraph(f"{matter.kind.names[language]}: {matter.sentence.describe(language)}"),
            matter_grid(matter, language),
        ]
    if reading.is_cut:
        blocks.append(Paragraph(word("matters_cut", language, MAX_MATTERS)))
    return blocks


def matter_grid(matter: Matter, language: Language) -> Table:
    """The roles of a matter: what rules read, what the model read, what is open."""
    known = {term.role.name: term for term in matter.terms}
    rows = []
    for role in matter.kind.roles:
        term = known.get(role.name)
        name = role.names[language]
        if term is None:
            rows.append((name, word("role_empty", language), "", ""))
        else:
            span = term.evidence.span
            by = word(f"read_by_{term.read_by}", language)
            rows.append((name, term.evidence.quote, f"{span.start:,}–{span.end:,}", by))
    header = tuple(word(key, language) for key in ("role", "term_value", "term_place", "read_by"))
    return Table(header, tuple(rows))


def event_headline(event: RiskEvent, language: Language) -> str:
    """Severity, item, name and date of report in one line."""
    severity = word("severity_value", language, event.severity, severity_name(event.severity, language))
    number = word("item", language, event.item)
    reported = event.reported.isoformat() if event.reported else "?"
    return f"[{severity}] {number}: {event.names[language]} ({reported})"


def _event_lines(event: RiskEvent, language: Language) -> tuple[str, ...]:
    lines = [evidence.describe(language) for evidence in event.evidence]
    for signal in event.signals:
        quote = "" if signal.evidence in event.evidence else f" – {signal.evidence.describe(language)}"
        lines.append(word("signal", language, signal.names[language]) + quote)
    if event.entities:
        named = "; ".join(f"{entity.text} ({entity.kind})" for entity in event.entities)
        lines.append(f"{word('entities', language)}: {named}")
    return tuple(lines)


def fact_blocks(filing: Filing, language: Language) -> list[Block]:
    """Every fact with value, unit, period, printed form, cell and check."""
    if not filing.facts:
        return [Paragraph(word("no_facts", language))]
    keys = ("line", "value", "unit", "period", "printed", "cell", "status", "notes")
    header = tuple(word(key, language) for key in keys)
    return [Table(header, tuple(_fact_row(fact, language) for fact in filing.facts))]


def _fact_row(fact: Fact, language: Language) -> tuple[str, ...]:
    derived = fact.is_derived
    explained = fact.evidence.describe(language) if derived else ""
    return (
        line_title(fact.concept, language),
        amount(fact.value),
        fact.unit,
        fact.period.describe(language),
        word("derived", language) if derived else f"{printed_text(fact)} × {fact.scale:,f}",
        fact_address(fact),
        status_text(fact, language),
        "; ".join([explained] * derived + [note.text(language) for note in fact.notes]),
    )


def printed_text(fact: Fact) -> str:
    """The cell as printed; empty for a derived fact."""
    return "" if fact.is_derived else getattr(fact.evidence, "text", "")


def status_text(fact: Fact, language: Language) -> str:
    """Whether identities bear the fact out; for a refused one, which it breaks and with what numbers."""
    if fact.status != "suspect":
        return word(f"status_{fact.status}", language)
    broken = [check for check in fact.checks if not check.holds]
    text = "; ".join(f"{check.title(language)} [{check.explanation}]" for check in broken)
    return word("status_suspect", language, text)


def unknown_block(filing: Filing, language: Language) -> Block:
    """What could not be read, grouped by reason."""
    grouped: dict[str, list[str]] = defaultdict(list)
    for unknown in filing.unknowns:
        when = f" ({unknown.period.describe(language)})" if unknown.period else ""
        grouped[unknown.reason.text(language)].append(line_title(unknown.concept, language) + when)
    lines = [f"{reason}: {', '.join(names)}" for reason, names in grouped.items()]
    lines += [note.text(language) for note in filing.notes]
    return Bullets(tuple(lines)) if lines else Paragraph(word("none_unknown", language))


def _statement_blocks(filing: Filing, language: Language) -> list[Block]:
    rows = []
    for info in filing.statements:
        periods = []
        for heading, period, reason in info.columns:
            if period is not None:
                periods.append(period.describe(language))
            elif reason is not None:
                periods.append(word("not_a_period", language, heading, reason.text(language)))
        rows.append(
            (
                STATEMENT_NAMES[info.statement][language],
                ", ".join(f"t{table + 1}" for table in info.tables),
                f"{info.scale:,f}",
                info.scale_quote or word("no_scale", language),
                info.currency or "?",
                "; ".join(periods),
            )
        )
    if not rows:
        return [Paragraph("–")]
    keys = ("statement", "table", "scale", "scale_words", "currency", "columns")
    return [Table(tuple(word(key, language) for key in keys), tuple(rows))]


def _item_blocks(filing: Filing, language: Language) -> list[Block]:
    if not filing.items:
        return [Paragraph("–")]
    names = item_names(filing.cover.form_name)
    rows = tuple(
        (item_number(item), names.get(item_number(item), {}).get(language, item.title), item.title, _range(item))
        for item in filing.items
    )
    keys = ("number", "line", "item_title", "span")
    return [Table(tuple(word(key, language) for key in keys), rows)]


def item_number(item: Item) -> str:
    """The item's number with its part where the form counts anew in each."""
    return f"{item.part}-{item.number}" if item.part else item.number


def _range(item: Item) -> str:
    return f"{item.span.start:,}–{item.span.end:,}"
