"""Altman's Z'' for companies that are not manufacturers or not listed.

Z'' = 6.56·X1 + 3.26·X2 + 6.72·X3 + 1.05·X4 with X1 = working capital / total assets, X2 = retained earnings / total
assets, X3 = EBIT / total assets, X4 = book equity / total liabilities; distress below 1.1, safe above 2.6 (Altman 2000,
"Predicting financial distress of companies", section on the revised four-variable model). The variant for emerging
markets adds a constant of 3.25 and has other cut-offs; the two must not be mixed, and this is the one without.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from apps.finance_risk.filings import Fact, Filing, Period
from apps.finance_risk.filings.lines import definitions_by_name, line_titles
from apps.finance_risk.messages import Message, say
from apps.finance_risk.scores.industry import financial_industry
from core.evidence import Evidence

SAFE_ABOVE = Decimal("2.6")
DISTRESS_BELOW = Decimal("1.1")
FORMULA = "Z'' = 6.56·X1 + 3.26·X2 + 6.72·X3 + 1.05·X4"
WEIGHTS = {"X1": Decimal("6.56"), "X2": Decimal("3.26"), "X3": Decimal("6.72"), "X4": Decimal("1.05")}

Zone = Literal["safe", "grey", "distress"]


@dataclass(frozen=True, slots=True)
class Term:
    """One weighted ratio. `numerator` is what `substitution` computes from `facts`; `points` = weight × ratio."""

    symbol: str
    weight: Decimal
    numerator: Decimal
    denominator: Decimal
    substitution: str
    facts: tuple[Fact, ...]

    @property
    def ratio(self) -> Decimal:
        return self.numerator / self.denominator

    @property
    def points(self) -> Decimal:
        return self.weight * self.ratio


@dataclass(frozen=True, slots=True)
class Score:
    """A score, or why there is none: `value` is None then, and `reasons` say what is missing or refused."""

    value: Decimal | None
    zone: Zone | None
    period: Period | None
    terms: tuple[Term, ...]
    notes: tuple[Message, ...]
    reasons: tuple[Message, ...]
    reason_evidence: tuple[Evidence, ...] = ()


def altman_z_double_prime(filing: Filing) -> Score:
    """Z'' at the latest balance sheet date, from a balance sheet and twelve months of income that end on it.

    A number that breaks an accounting identity is not used. Banks, insurers and securities firms are refused.
    """
    industry = financial_industry(filing)
    if industry is not None:
        key = f"score_{industry.name}"
        return Score(None, None, None, (), (), (say(key),), industry.evidence)
    assets = filing.fact("total_assets")
    if assets is None:
        return Score(None, None, None, (), (), (_missing(filing, "total_assets"),))
    inputs = _Inputs(filing, assets.period)
    terms = _terms(inputs)
    if inputs.reasons or terms is None:
        return Score(None, None, assets.period, (), tuple(inputs.notes), tuple(inputs.reasons))
    value = sum((term.points for term in terms), Decimal(0))
    zone: Zone = "safe" if value > SAFE_ABOVE else "distress" if value < DISTRESS_BELOW else "grey"
    notes = [*inputs.notes, say("score_industry_unseen")] if filing.cover.industry_code is None else inputs.notes
    return Score(value, zone, assets.period, terms, tuple(notes), ())


class _Inputs:
    """Looks facts up at one balance sheet date and keeps what was missing and what was assumed."""

    def __init__(self, filing: Filing, instant: Period) -> None:
        self._filing = filing
        self._instant = instant
        self.notes: list[Message] = []
        self.reasons: list[Message] = []

    def balance(self, concept: str) -> Fact | None:
        """A usable fact at the date."""
        fact = self._filing.fact(concept, self._instant)
        return self._usable(fact) if fact else None

    def year(self, concept: str) -> Fact | None:
        """A usable fact of the twelve months that end at the date."""
        found = [
            fact
            for fact in self._filing.facts
            if fact.concept == concept
            and fact.period.months == 12
            and (fact.period.end, fact.period.fiscal_year if fact.period.end is None else None)
            == (self._instant.end, self._instant.fiscal_year if self._instant.end is None else None)
        ]
        return self._usable(found[0]) if found else None

    def require(self, concept: str, fact: Fact | None) -> Fact | None:
        """`fact`, or a reason why it cannot be had."""
        if fact is None and line_titles(concept) not in {reason.values[0] for reason in self.reasons if reason.values}:
            self.reasons.append(_missing(self._filing, concept))
        return fact

    def ebit(self) -> tuple[Decimal, str, tuple[Fact, ...]] | None:
        """Operating income, or income before tax plus interest expense: value, substitution, facts."""
        operating = self.year("operating_income")
        if operating is not None:
            self.notes.append(say("score_ebit_operating"))
            return operating.value, _amount(operating.value), (operating,)
        pretax, interest = self.year("pretax_income"), self.year("interest_expense")
        if pretax is not None and interest is not None:
            self.notes.append(say("score_ebit_pretax"))
            text = f"{_amount(pretax.value)} + {_amount(interest.value)}"
            return pretax.value + interest.value, text, (pretax, interest)
        partial = [fact for fact in self._filing.facts if fact.concept in ("operating_income", "pretax_income")]
        if partial and all(fact.period.months != 12 for fact in partial):
            lengths = sorted({fact.period.months or 0 for fact in partial})
            self.reasons.append(say("score_no_year", ", ".join(map(str, lengths))))
        elif not self.reasons or not any(reason.key == "score_suspect" for reason in self.reasons):
            self.reasons.append(say("score_no_ebit"))
        return None

    def _usable(self, fact: Fact) -> Fact | None:
        if not fact.is_suspect:
            return fact
        broken = next(check for check in fact.checks if not check.holds)
        reason = say("score_suspect", line_titles(fact.concept), broken.explanation)
        if reason not in self.reasons:
            self.reasons.append(reason)
        return None


def _terms(inputs: _Inputs) -> tuple[Term, ...] | None:
    assets = inputs.require("total_assets", inputs.balance("total_assets"))
    current_assets = inputs.require("current_assets", inputs.balance("current_assets"))
    current_liabilities = inputs.require("current_liabilities", inputs.balance("current_liabilities"))
    retained = inputs.require("retained_earnings", inputs.balance("retained_earnings"))
    equity = inputs.require("equity", inputs.balance("equity"))
    liabilities = inputs.require("total_liabilities", inputs.balance("total_liabilities"))
    ebit = inputs.ebit()
    if None in (assets, current_assets, current_liabilities, retained, equity, liabilities) or ebit is None:
        return None
    assert assets and current_assets and current_liabilities and retained and equity and liabilities
    used = (assets, current_assets, current_liabilities, retained, equity, liabilities, *ebit[2])
    if len({fact.unit for fact in used}) > 1:
        inputs.reasons.append(say("score_currencies", ", ".join(sorted({fact.unit for fact in used}))))
        return None
    for fact in (assets, liabilities):
        if fact.value <= 0:
            inputs.reasons.append(say("score_not_positive", line_titles(fact.concept)))
            return None
    if liabilities.is_derived:
        inputs.notes.append(say("score_liabilities_derived"))
    reserve = inputs.balance("surplus_reserve")
    kept = (retained, reserve) if reserve else (retained,)
    if reserve:
        inputs.notes.append(say("score_surplus_reserve"))
    working = f"{_amount(current_assets.value)} − {_amount(current_liabilities.value)}"
    capital = current_assets.value - current_liabilities.value
    earned = sum((fact.value for fact in kept), Decimal(0))
    return (
        _term("X1", capital, working, (current_assets, current_liabilities), assets),
        _term("X2", earned, " + ".join(_amount(fact.value) for fact in kept), kept, assets),
        _term("X3", ebit[0], ebit[1], ebit[2], assets),
        _term("X4", equity.value, _amount(equity.value), (equity,), liabilities),
    )


def _missing(filing: Filing, concept: str) -> Message:
    """What is missing, with the reader's own reason where it gave one."""
    unknown = next((unknown for unknown in filing.unknowns if unknown.concept == concept), None)
    reason = unknown.reason if unknown else None
    statement = definitions_by_name()[concept][0].statement
    if reason is None and statement not in {info.statement for info in filing.statements}:
        reason = say(f"no_{statement}")
    if reason is None:
        return say("score_missing", line_titles(concept))
    return say("score_missing_because", line_titles(concept), (reason.text("en"), reason.text("zh")))


def _term(symbol: str, numerator: Decimal, text: str, facts: tuple[Fact, ...], denominator: Fact) -> Term:
    substitution = f"{f'({text})' if ' ' in text else text} / {_amount(denominator.value)}"
    return Term(symbol, WEIGHTS[symbol], numerator, denominator.value, substitution, (*facts, denominator))


def _amount(value: Decimal) -> str:
    whole = value.to_integral_value()
    text = f"{abs(whole if value == whole else value):,f}"
    return text if value >= 0 else f"−{text}"
