"""A report in a screenful: score, events, the facts that went into the score, and what is unknown."""

from __future__ import annotations

from apps.finance_risk.filings.lines import line_title
from apps.finance_risk.report.analysis import RiskReport
from apps.finance_risk.report.sheet import event_blocks, score_blocks, unknown_block
from apps.finance_risk.report.words import amount, fact_address, word
from core.report import Block, Bullets, Sheet, to_text
from core.text import Language

_KEY_LINES = ("total_assets", "total_liabilities", "equity", "revenue", "net_income", "operating_cash_flow")


def brief_report(report: RiskReport, language: Language) -> str:
    """The report as terminal text, shortened: the latest value of six lines, the score or why there is none, events."""
    filing = report.filing
    company = filing.cover.company.value if filing.cover.company else filing.name
    form = filing.cover.form.value if filing.cover.form else "?"
    found = [fact for name in _KEY_LINES if (fact := filing.fact(name)) is not None]
    lines = [
        f"{line_title(fact.concept, language)}: {amount(fact.value)} {fact.unit}, "
        f"{fact.period.describe(language)} [{fact_address(fact)}]"
        for fact in found
    ]
    blocks: list[Block] = [Bullets(tuple(lines))] if lines else []
    if filing.cover.form_name != "8-K":
        blocks += score_blocks(report.score, filing.name, language)
        blocks.append(unknown_block(filing, language))
    else:
        blocks += event_blocks(report, language)
    title = f"{word('title', language, company)} ({form}, {filing.name})"
    return to_text(Sheet(title, language, tuple(blocks)))
