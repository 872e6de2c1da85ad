"""The report in a few sentences: score and drivers, key figures, gravest events, what is unknown.

Every sentence is made of facts of the report. A language model may reword it (`core.inference.summary`); it adds no
number, no event and no advice.
"""

from __future__ import annotations

import re

from apps.finance_risk.events import severity_name
from apps.finance_risk.filings import Fact
from apps.finance_risk.filings.lines import line_title
from apps.finance_risk.report.analysis import RiskReport
from apps.finance_risk.report.words import amount, word
from core.inference import Generator
from core.inference.summary import Point, Summary, adds_no, tell
from core.progress import ProgressCallback
from core.text import Language

KEY_LINES = ("revenue", "net_income", "total_assets", "total_liabilities")
MOST_EVENTS = 3
_ADVICE = re.compile(
    r"\b(?:should|must|recommend\w*|advis\w+|suggest\w*|ought|buy|sell|hold|invest(?:ors?)?|consider)\b"
    r"|建议|应当|应该|推荐|买入|卖出|增持|减持|投资者|谨慎|关注",
    re.IGNORECASE,
)


def narrative_points(report: RiskReport, language: Language) -> list[Point]:
    """What there is to tell, each as a template sentence."""
    points = [_score(report, language)]
    if report.score.terms:
        points.append(_drivers(report, language))
    points += [
        _figure(newest, before, language)
        for line in KEY_LINES
        if (newest := report.filing.fact(line)) is not None and not newest.is_suspect
        for before in [_year_before(report, newest)]
    ]
    for number, event in enumerate(report.events.events[:MOST_EVENTS], start=1):
        severity = word("severity_value", language, event.severity, severity_name(event.severity, language))
        quote = " ".join(evidence.quote for evidence in event.evidence)
        told = word("tell_event", language, word("item", language, event.item), event.names[language], severity, quote)
        points.append(Point(f"event_{number}", told, is_quoted=True))
    if report.filing.unknowns:
        points.append(Point("unknown", word("tell_unknown", language, len(report.filing.unknowns)), fixed=True))
    return points


def tell_report(
    report: RiskReport, language: Language, generator: Generator, progress: ProgressCallback | None = None
) -> Summary:
    """The points, in the model's words where its sentences are supported and give no advice, else in the template's."""
    no_advice = adds_no(_ADVICE, lambda given: word("refused_advice", language, given))
    return tell(generator, narrative_points(report, language), language, guards=(no_advice,), progress=progress)


def _score(report: RiskReport, language: Language) -> Point:
    score = report.score
    if score.value is None or score.period is None:
        reasons = "; ".join(message.text(language) for message in score.reasons)
        return Point("score", word("tell_no_score", language, reasons), fixed=True)
    zone, value = word(f"zone_{score.zone}", language), f"{score.value:.2f}"
    told = word("tell_score", language, score.period.describe(language), value, zone)
    return Point("score", told, (value, zone))


def _drivers(report: RiskReport, language: Language) -> Point:
    terms = sorted(report.score.terms, key=lambda term: term.points)
    said = []
    for term in (terms[0], terms[-1]):
        said += [word(term.symbol, language), f"{term.points:.3f}"]
    lowest, highest = word("lowest", language), word("highest", language)
    keeps = (lowest, *said[:2], highest, *said[2:])
    return Point("drivers", word("tell_drivers", language, *said), keeps)


def _figure(newest: Fact, before: Fact | None, language: Language) -> Point:
    name = line_title(newest.concept, language)
    first = (name, amount(newest.value), newest.unit, newest.period.describe(language))
    if before is None:
        return Point(f"figure_{newest.concept}", word("tell_figure", language, *first), first)
    second = (amount(before.value), before.period.describe(language))
    return Point(f"figure_{newest.concept}", word("tell_figures", language, *first, *second), (*first, *second))


def _year_before(report: RiskReport, newest: Fact) -> Fact | None:
    """The fact of the same line a year earlier; None where it is not printed or refused."""
    end = newest.period.end
    return next(
        (
            fact
            for fact in report.filing.facts
            if fact.concept == newest.concept
            and not fact.is_suspect
            and fact.unit == newest.unit
            and fact.period.months == newest.period.months
            and end is not None
            and fact.period.end is not None
            and fact.period.end.year == end.year - 1
        ),
        None,
    )
