"""A filing from its bytes: text, tables, cover, items, statements, facts."""

from __future__ import annotations

from pathlib import Path

from apps.finance_risk.filings.cover import read_cover
from apps.finance_risk.filings.facts import read_facts
from apps.finance_risk.filings.identities import check_facts
from apps.finance_risk.filings.items import find_items
from apps.finance_risk.filings.lines import STATEMENT_NAMES, STATEMENTS, definitions_by_name
from apps.finance_risk.filings.model import Cover, Fact, Filing, StatementInfo, Unknown
from apps.finance_risk.filings.render import Rendered, parse_html, render
from apps.finance_risk.filings.settle import (
    gross_profit_is_direct,
    mezzanine,
    settle_signs,
    subtract_missing_liabilities,
    sum_missing_liabilities,
)
from apps.finance_risk.filings.source import Source, open_source
from apps.finance_risk.filings.statements import PrintedStatement, find_statements
from apps.finance_risk.filings.text_tables import render_text
from apps.finance_risk.messages import Message, say
from core.config import settings
from core.errors import InputError
from core.files import check_size, read_bytes


class NotAFiling(InputError):
    """A readable file that is no filing: no form, no items and no statement in it."""


def load_filing(path: str | Path) -> Filing:
    """The filing in the file at `path`. Raises what `read_filing` raises, and `UnreadableFile` for a missing file."""
    data = read_bytes(path, max_bytes=settings().max_upload_bytes)
    return read_filing(data, Path(path).name)


def read_filing(data: bytes, name: str) -> Filing:
    """The filing in `data`.

    Raises:
        UnreadableFile, FileTooLarge: not text, too large, nested too deep.
        NotAFiling: nothing in it says that it is a filing.
    """
    check_size(len(data), name, max_bytes=settings().max_upload_bytes)
    source = open_source(data, name)
    rendered = _render(source)
    cover = read_cover(rendered.text, name, source.header)
    items = find_items(rendered.text, cover.form_name)
    end = cover.end_date if cover.form_name != "8-K" else None
    statements = find_statements(rendered.text, rendered.tables, period_end=end, annual=cover.is_annual)
    if not statements and not items and cover.form is None:
        raise NotAFiling(
            f"'{name}' does not look like a filing: it names no form, has no items and no financial statement.",
            hint="Give a 10-K, 10-Q or 8-K as HTML or text, or a Chinese annual report or announcement.",
        )
    facts, unknowns = _facts(statements, name)
    expects_statements = bool(statements) or cover.form_name not in ("8-K", "announcement-cn")
    return Filing(
        name=name,
        text=rendered.text,
        tables=rendered.tables,
        cover=cover,
        items=items,
        statements=tuple(_info(printed) for printed in statements),
        facts=tuple(_shown(facts)),
        unknowns=tuple(_shown_unknowns(unknowns, facts) if expects_statements else ()),
        notes=_notes(source, rendered, cover, items, statements),
    )


def _render(source: Source) -> Rendered:
    if source.kind == "text":
        return render_text(source.content)
    return render(parse_html(source.content, source.name))


def _facts(statements: tuple[PrintedStatement, ...], name: str) -> tuple[list[Fact], list[Unknown]]:
    facts, unknowns = read_facts(statements, name)
    facts = settle_signs(facts, statements)
    facts += mezzanine(facts, statements)
    facts += sum_missing_liabilities(facts)
    facts = check_facts(facts, gross_profit_is_direct=gross_profit_is_direct(facts, statements))
    derived, refused = subtract_missing_liabilities(facts)
    return facts + derived, unknowns + refused


def _shown(facts: list[Fact]) -> list[Fact]:
    definitions = definitions_by_name()
    order = {name: position for position, name in enumerate(definitions)}
    shown = [fact for fact in facts if definitions[fact.concept][0].shown]
    newest_first = sorted(shown, key=lambda fact: fact.period.sort_key, reverse=True)
    return sorted(newest_first, key=lambda fact: order[fact.concept])


def _shown_unknowns(unknowns: list[Unknown], facts: list[Fact]) -> list[Unknown]:
    """Unknowns of listed lines that nothing else supplied."""
    definitions = definitions_by_name()
    known = {(fact.concept, fact.period.key) for fact in facts}
    names = {fact.concept for fact in facts}
    return [
        unknown
        for unknown in unknowns
        if definitions[unknown.concept][0].shown
        and not (unknown.period is None and (unknown.concept in names or definitions[unknown.concept][0].optional))
        and not (unknown.period is not None and (unknown.concept, unknown.period.key) in known)
    ]


def _info(printed: PrintedStatement) -> StatementInfo:
    columns = tuple((c.heading, c.period, c.reason) for part in printed.parts for c in part.columns)
    return StatementInfo(
        statement=printed.statement,
        title=printed.title,
        tables=tuple(part.read.table.index for part in printed.parts),
        scale=printed.scale.money,
        scale_quote=printed.scale.quote,
        scale_basis=printed.scale.basis,
        currency=printed.currency,
        columns=columns,
    )


def _notes(
    source: Source,
    rendered: Rendered,
    cover: Cover,
    items: tuple[object, ...],
    statements: tuple[PrintedStatement, ...],
) -> tuple[Message, ...]:
    notes = list(source.notes)
    if cover.form is None:
        notes.append(say("filing_no_form"))
    if not items and cover.form_name != "announcement-cn":
        notes.append(say("filing_no_items"))
    found = {printed.statement for printed in statements}
    if cover.form_name == "8-K" and not statements:
        notes.append(say("filing_no_statements_expected"))
    elif cover.form_name == "announcement-cn" and not statements:
        notes.append(say("filing_announcement"))
    else:
        notes += [say(f"no_{statement}") for statement in STATEMENTS if statement not in found]
    notes += [
        say("filing_secondary", (STATEMENT_NAMES[p.statement]["en"].lower(), STATEMENT_NAMES[p.statement]["zh"]))
        for p in statements
        if p.is_secondary
    ]
    if any(table.is_cut for table in rendered.tables):
        notes.append(say("filing_cut_table"))
    return tuple(notes)
